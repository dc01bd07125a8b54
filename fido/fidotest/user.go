package fidotest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lakekey/lakekey/fido"
)

// stored is user(n) as a store returns it at first.
func stored(n byte) fido.User {
	u := user(n)
	u.Revision = 1
	return u
}

func sameUser(t *testing.T, got, want fido.User) {
	t.Helper()
	if !got.Created.Equal(want.Created) {
		t.Fatalf("created %v, want %v", got.Created, want.Created)
	}
	got.Created = want.Created
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got user %+v, want %+v", got, want)
	}
}

func users(t *testing.T, s fido.Store) {
	_, err := s.UserByKey(t.Context(), "user1@example.com")
	is(t, err, fido.ErrNotFound)
	_, err = s.User(t.Context(), user(1).Handle)
	is(t, err, fido.ErrNotFound)
	sameUser(t, addUser(t, s, 1), stored(1))
	got, err := s.EnsureUser(t.Context(), "user1@example.com", user(2))
	ok(t, err)
	sameUser(t, got, stored(1)) // who was there
	got, err = s.UserByKey(t.Context(), "user1@example.com")
	ok(t, err)
	byHandle, err := s.User(t.Context(), user(1).Handle)
	ok(t, err)
	sameUser(t, got, stored(1))
	sameUser(t, byHandle, stored(1))
	if _, err := s.EnsureUser(t.Context(), "other@example.com", user(1)); err == nil {
		t.Fatal("two users with one handle")
	}
}

func userRace(t *testing.T, s fido.Store) {
	var mu sync.Mutex
	handles := map[string]bool{}
	race(t, nil, func(n int) error {
		u, err := s.EnsureUser(t.Context(), "same@example.com", user(byte(n)))
		mu.Lock()
		handles[string(u.Handle)] = true
		mu.Unlock()
		return err
	})
	if len(handles) != 1 {
		t.Fatalf("%d users of one name", len(handles))
	}
}

func userUpdates(t *testing.T, s fido.Store) {
	u := user(1)
	is(t, s.UpdateUser(t.Context(), u), fido.ErrNotFound)
	addUser(t, s, 1)
	is(t, s.UpdateUser(t.Context(), u), fido.ErrConflict) // revision 0 was never stored
	want := stored(1)
	want.DisplayName, want.Groups, want.Blocked = "Ana", nil, ""
	update := want
	update.Name, update.Created = "other@example.com", now.Add(1)
	ok(t, s.UpdateUser(t.Context(), update))
	want.Revision++
	got, err := s.User(t.Context(), u.Handle)
	ok(t, err)
	if len(got.Groups) == 0 {
		got.Groups = nil
	}
	sameUser(t, got, want) // what never changes has not changed
	is(t, s.UpdateUser(t.Context(), update), fido.ErrConflict)
	if won := race(t, fido.ErrConflict, func(n int) error {
		mine := got.Clone()
		mine.Blocked = fmt.Sprint(n)
		return s.UpdateUser(t.Context(), mine)
	}); won != 1 {
		t.Fatalf("%d updated one revision", won)
	}
}

func userPages(t *testing.T, s fido.Store) {
	// Bytes decide, so that "B" and "_" come before "a", and "é" after "z".
	names := []string{"B", "_", "a", "a%", "a_", "aa", "ab", "b", "z", "é", "日本"}
	for n, i := range []int{3, 7, 0, 9, 5, 1, 10, 2, 8, 6, 4} {
		u := user(byte(n))
		u.Name = names[i]
		_, err := s.EnsureUser(t.Context(), names[i], u)
		ok(t, err)
	}
	list := func(q fido.UserQuery) (found []string) {
		t.Helper()
		for {
			page, err := s.ListUsers(t.Context(), q)
			ok(t, err)
			if len(page) > fido.PageSize(q.Limit) {
				t.Fatalf("a page of %d for %+v", len(page), q)
			}
			for _, u := range page {
				found = append(found, u.Name)
			}
			if len(page) == 0 || len(found) > len(names) { // a store that goes in circles has no last page
				return found
			}
			q.After = found[len(found)-1]
		}
	}
	with := func(prefix string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, prefix) })
	}
	for _, prefix := range []string{"", "a", "a%", "a_", "_", "aa", "b", "é", "x", "zz", "日"} {
		for _, limit := range []int{0, 1, 2, 3, len(names), 5000} {
			if got, want := list(fido.UserQuery{Prefix: prefix, Limit: limit}), with(prefix); !slices.Equal(got, want) {
				t.Fatalf("with prefix %q in pages of %d: %q, want %q", prefix, limit, got, want)
			}
		}
	}
	page, err := s.ListUsers(t.Context(), fido.UserQuery{Prefix: "a", After: "_"})
	ok(t, err)
	if len(page) != len(with("a")) {
		t.Fatalf("%d with a prefix after one that is before it", len(page))
	}
	sameUser(t, page[0], fido.User{Handle: user(7).Handle, Name: "a", DisplayName: user(7).DisplayName, Groups: user(7).Groups, Blocked: user(7).Blocked, Created: now, Revision: 1})
}
