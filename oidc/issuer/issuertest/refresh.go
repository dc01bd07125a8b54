package issuertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/lakekey/lakekey/oidc/issuer"
)

// testRefresh: each refresh token but the last one has been replaced, once, and is
// known as that as long as the session is.
func testRefresh(t *testing.T, s issuer.Store) {
	is(t, issuer.ErrTaken, s.ReplaceRefresh(t.Context(), hash("refresh", 0), hash("refresh", 1), epoch))
	want := Session("id", hash("code", 0))
	must(t, s.AddSession(t.Context(), want))
	_, err := s.TakeCode(t.Context(), want.Code, hash("refresh", 0), "")
	must(t, err)
	other := Session("other", hash("code", 1))
	must(t, s.AddSession(t.Context(), other))
	_, err = s.TakeCode(t.Context(), other.Code, hash("others", 0), "")
	must(t, err)

	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	must(t, s.ReplaceRefresh(t.Context(), hash("refresh", 0), hash("refresh", 1), at(0)))
	must(t, s.ReplaceRefresh(t.Context(), hash("refresh", 1), hash("refresh", 2), at(1)))
	for n := range 2 {
		is(t, issuer.ErrTaken, s.ReplaceRefresh(t.Context(), hash("refresh", n), hash("refresh", 9), at(9)))
	}
	for n, replaced := range []time.Time{at(0), at(1), {}} {
		want.Replaced = replaced
		got, err := s.SessionByRefresh(t.Context(), hash("refresh", n))
		must(t, err)
		same(t, want, *got)
	}
	_, err = s.SessionByRefresh(t.Context(), hash("refresh", 9))
	is(t, issuer.ErrNotFound, err)
	got, err := s.SessionByRefresh(t.Context(), hash("others", 0))
	must(t, err)
	same(t, other, *got)
	is(t, issuer.ErrTaken, s.ReplaceRefresh(t.Context(), hash("others", 0), hash("refresh", 2), at(9)))

	want.Replaced = time.Time{}
	got, err = s.TakeCode(t.Context(), want.Code, hash("refresh", 8), "")
	is(t, issuer.ErrTaken, err)
	same(t, want, *got)

	_, err = s.EndSession(t.Context(), "id", "why", at(3))
	must(t, err)
	is(t, issuer.ErrTaken, s.ReplaceRefresh(t.Context(), hash("refresh", 2), hash("refresh", 3), at(3)))
	want.Ended, want.EndReason, want.Replaced = at(3), "why", at(0)
	got, err = s.SessionByRefresh(t.Context(), hash("refresh", 0))
	must(t, err)
	same(t, want, *got)

	must(t, s.Sweep(t.Context(), want.Expires.Add(time.Second)))
	for n := range 3 {
		_, err = s.SessionByRefresh(t.Context(), hash("refresh", n))
		is(t, issuer.ErrNotFound, err)
	}
}

func testRefreshRace(t *testing.T, s issuer.Store, rounds int) {
	for n := range rounds {
		se := Session(fmt.Sprint("id", n), hash("code", n))
		must(t, s.AddSession(t.Context(), se))
		used := hash("first", n)
		_, err := s.TakeCode(t.Context(), se.Code, used, "")
		must(t, err)
		next := func(k int) issuer.Hash { return hash("refresh", n*takers+k) }
		one(t, n, Race(t, takers, func(k int) error { return s.ReplaceRefresh(t.Context(), used, next(k), epoch) }))
		one(t, n, Race(t, takers, func(k int) error {
			_, err := s.SessionByRefresh(t.Context(), next(k))
			return err
		}))
	}
}
