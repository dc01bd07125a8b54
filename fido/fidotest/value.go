package fidotest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lakekey/lakekey/fido"
)

func values(t *testing.T, s fido.Store) {
	swap := func(name, old, fresh, want string) {
		t.Helper()
		var was []byte
		if old != "" {
			was = []byte(old)
		}
		got, err := s.Swap(t.Context(), name, was, []byte(fresh))
		ok(t, err)
		if string(got) != want {
			t.Fatalf("%s is %q, want %q", name, got, want)
		}
	}
	swap("a", "x", "y", "")
	swap("a", "", "1", "1")
	swap("a", "", "2", "1")
	swap("a", "2", "3", "1")
	swap("a", "1", "2", "2")
	swap("b", "", "5", "5")
	swap("a", "", "9", "2")
}

func valueRace(t *testing.T, s fido.Store) {
	for round := range 10 {
		name := fmt.Sprint("value ", round)
		var mu sync.Mutex
		seen := map[string]bool{}
		race(t, nil, func(n int) error {
			current, err := s.Swap(t.Context(), name, nil, fmt.Append(nil, n))
			mu.Lock()
			defer mu.Unlock()
			seen[string(current)] = true
			return err
		})
		if len(seen) != 1 {
			t.Fatalf("%d values were first", len(seen))
		}
		// Counting by swaps loses none. Each value is written once, so that what is
		// returned tells whether it was ours that was set.
		const each = 5
		counter := "counter of " + name
		won := race(t, nil, func(n int) error {
			for i := range each {
				var old []byte
				for tries := 0; ; tries++ {
					if tries > 16*each { // who is passed over has seen somebody else's, of which there are so many
						return fmt.Errorf("the counter, which is %q, takes no value", old)
					}
					var count int
					if _, err := fmt.Sscan(string(old), &count); old != nil && err != nil {
						return fmt.Errorf("counter %q: %w", old, err)
					}
					mine := fmt.Sprintf("%d of %d.%d", count+1, n, i)
					current, err := s.Swap(t.Context(), counter, old, []byte(mine))
					if err != nil {
						return err
					}
					if string(current) == mine {
						break
					}
					old = current
				}
			}
			return nil
		})
		last, err := s.Swap(t.Context(), counter, []byte("nothing"), nil)
		ok(t, err)
		if want := fmt.Sprint(won*each, " of "); !strings.HasPrefix(string(last), want) {
			t.Fatalf("the counter ended with %q, want %s…", last, want)
		}
	}
}
