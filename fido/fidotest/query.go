package fidotest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lakekey/lakekey/fido"
)

// history is a credential that was registered, approved, used and revoked on the
// given days; 0 means never.
func history(id byte, state fido.State, created, approved, used, revoked int) fido.Credential {
	day := func(n int) time.Time {
		if n == 0 {
			return time.Time{}
		}
		return now.AddDate(0, 0, n)
	}
	c := credential(id, 1)
	c.State, c.Created, c.Approved, c.LastUsed, c.Revoked = state, day(created), day(approved), day(used), day(revoked)
	return c
}

func credentialPages(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	all := []fido.Credential{
		history(200, fido.StateActive, 1, 1, 9, 0),
		history(3, fido.StateActive, 2, 4, 0, 0),
		history(128, fido.StatePending, 2, 0, 0, 0),
		history(1, fido.StateQuarantined, 1, 2, 3, 0),
		history(2, fido.StateRevoked, 1, 1, 5, 6),
		history(127, fido.StateRevoked, 3, 0, 0, 4), // denied: nobody ever held it
		history(255, fido.StateRevoked, 2, 2, 0, 2), // revoked the moment it was approved
	}
	for _, c := range all {
		ok(t, s.AddCredential(t.Context(), c, fido.Addition{}))
	}
	slices.SortFunc(all, func(a, b fido.Credential) int { return bytes.Compare(a.ID, b.ID) })
	check := func(q fido.CredentialQuery, match func(c fido.Credential) bool) {
		t.Helper()
		var want []fido.Credential
		for _, c := range all {
			if match(c) {
				want = append(want, c)
			}
		}
		for _, q.Limit = range []int{0, 1, 2, 5, 5000} {
			q.After = nil
			var got []fido.Credential
			for {
				page, err := s.ListCredentials(t.Context(), q)
				ok(t, err)
				if len(page) == 0 {
					break
				}
				if len(page) > fido.PageSize(q.Limit) {
					t.Fatalf("a page of %d for %+v", len(page), q)
				}
				if got = append(got, page...); len(got) > len(want) { // a store that goes in circles has no last page
					t.Fatalf("at least %d credentials for %+v, want %d", len(got), q, len(want))
				}
				q.After = page[len(page)-1].ID
			}
			if len(got) != len(want) {
				t.Fatalf("%d credentials for %+v, want %d", len(got), q, len(want))
			}
			for i := range got {
				want := want[i].Clone()
				want.Revision = 1
				same(t, got[i], want)
			}
		}
	}
	check(fido.CredentialQuery{}, func(fido.Credential) bool { return true })
	for _, state := range []fido.State{fido.StatePending, fido.StateActive, fido.StateQuarantined, fido.StateRevoked, "unheard of"} {
		check(fido.CredentialQuery{State: state}, func(c fido.Credential) bool { return c.State == state })
	}
	for n := range 10 {
		for _, at := range []time.Time{now.AddDate(0, 0, n), now.AddDate(0, 0, n).Add(-1)} {
			check(fido.CredentialQuery{HeldAt: at}, func(c fido.Credential) bool { return c.HeldAt(at) })
			check(fido.CredentialQuery{State: fido.StateActive, HeldAt: at}, func(c fido.Credential) bool { return c.State == fido.StateActive && c.HeldAt(at) })
			check(fido.CredentialQuery{UnusedSince: at}, func(c fido.Credential) bool {
				return c.State != fido.StateRevoked && c.Created.Before(at) && c.LastUsed.Before(at)
			})
		}
	}
}

func longPages(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	flood(t, 1005, func(n int) error {
		c := credential(0, 1)
		c.ID = fmt.Appendf(nil, "%04d", n)
		return s.AddCredential(t.Context(), c, fido.Addition{})
	})
	for limit, want := range map[int]int{0: 100, -1: 100, 7: 7, 1000: 1000, 5000: 1000} {
		page, err := s.ListCredentials(t.Context(), fido.CredentialQuery{Limit: limit})
		ok(t, err)
		if len(page) != want {
			t.Fatalf("a page of %d for a limit of %d", len(page), limit)
		}
	}
}
