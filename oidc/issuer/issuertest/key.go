package issuertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// keys reads the signing keys and compares them.
func keys(t *testing.T, s issuer.Store, want ...issuer.Key) {
	t.Helper()
	got, err := s.Keys(t.Context())
	must(t, err)
	if len(got) != len(want) {
		t.Fatalf("there are %d keys, want %d", len(got), len(want))
	}
	for n := range want {
		if !got[n].PKCS8.Equal(want[n].PKCS8) || got[n].PKCS8.IsZero() != want[n].PKCS8.IsZero() {
			t.Fatalf("key %d: another private half", n)
		}
		got[n].PKCS8 = want[n].PKCS8
		same(t, want[n], got[n])
	}
}

// testKeys: keys stand in the order in which they were added, each knowingly behind
// the one before, and an ID is good for one key for ever.
func testKeys(t *testing.T, s issuer.Store) {
	keys(t, s)
	is(t, issuer.ErrTaken, s.AddKey(t.Context(), key("first"), "another"))
	first, second := key("first"), key("second")
	must(t, s.AddKey(t.Context(), first, ""))
	is(t, issuer.ErrTaken, s.AddKey(t.Context(), second, ""))
	is(t, issuer.ErrTaken, s.AddKey(t.Context(), first, "first"))
	second.PKCS8, second.SignsFrom = secret.Value{}, epoch.Add(time.Hour)
	must(t, s.AddKey(t.Context(), second, "first"))
	is(t, issuer.ErrTaken, s.AddKey(t.Context(), key("third"), "first"))
	keys(t, s, first, second)

	_, err := s.RevokeKey(t.Context(), "third", "why", epoch)
	is(t, issuer.ErrNotFound, err)
	for n, want := range []bool{true, false} {
		revoked, err := s.RevokeKey(t.Context(), "first", fmt.Sprint("reason ", n), epoch.Add(time.Duration(n+1)*time.Minute))
		must(t, err)
		if revoked != want {
			t.Fatalf("revoking for the %d. time: revoked=%v", n+1, revoked)
		}
	}
	first.PKCS8, first.Revoked, first.RevokeReason = secret.Value{}, epoch.Add(time.Minute), "reason 0"
	keys(t, s, first, second)
	is(t, issuer.ErrTaken, s.AddKey(t.Context(), key("first"), "second"))
	must(t, s.AddKey(t.Context(), key("third"), "second"))
	keys(t, s, first, second, key("third"))
}

// testKeysRace: of replicas that add a key at the same time one does, the first key
// and every later one.
func testKeysRace(t *testing.T, s issuer.Store) {
	after := ""
	for n := range 3 {
		one(t, n, Race(t, takers, func(k int) error { return s.AddKey(t.Context(), key(fmt.Sprint("key ", n, " ", k)), after) }))
		got, err := s.Keys(t.Context())
		must(t, err)
		if len(got) != n+1 {
			t.Fatalf("there are %d keys, want %d", len(got), n+1)
		}
		after = got[n].ID
	}
	one(t, 0, Race(t, takers, func(int) error {
		revoked, err := s.RevokeKey(t.Context(), after, "why", epoch)
		if err == nil && !revoked {
			return issuer.ErrTaken
		}
		return err
	}))
}
