package issuertest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/lakekey/lakekey/oidc/issuer"
)

func testRequest(t *testing.T, s issuer.Store) {
	want := request(hash("request", 0))
	must(t, s.PutRequest(t.Context(), want))
	is(t, issuer.ErrTaken, s.PutRequest(t.Context(), want))
	_, err := s.TakeRequest(t.Context(), hash("request", 1))
	is(t, issuer.ErrNotFound, err)
	_, err = s.RequestByID(t.Context(), hash("request", 1))
	is(t, issuer.ErrNotFound, err)
	for range 2 { // looking takes nothing
		got, err := s.RequestByID(t.Context(), want.ID)
		must(t, err)
		same(t, want, *got)
	}
	got, err := s.TakeRequest(t.Context(), want.ID)
	must(t, err)
	same(t, want, *got)
	_, err = s.TakeRequest(t.Context(), want.ID)
	is(t, issuer.ErrNotFound, err)
	_, err = s.RequestByID(t.Context(), want.ID)
	is(t, issuer.ErrNotFound, err)
}

func testRequestRace(t *testing.T, s issuer.Store, rounds int) {
	for n := range rounds {
		must(t, s.PutRequest(t.Context(), request(hash("request", n))))
		one(t, n, Race(t, takers, func(int) error {
			_, err := s.TakeRequest(t.Context(), hash("request", n))
			return err
		}))
	}
}

func testCode(t *testing.T, s issuer.Store) {
	want := Session("id", hash("code", 0))
	must(t, s.AddSession(t.Context(), want))
	is(t, issuer.ErrTaken, s.AddSession(t.Context(), want))
	_, err := s.SessionByRefresh(t.Context(), issuer.Hash{})
	is(t, issuer.ErrNotFound, err)
	_, err = s.TakeCode(t.Context(), hash("code", 1), hash("refresh", 0), "")
	is(t, issuer.ErrNotFound, err)

	got, err := s.TakeCode(t.Context(), want.Code, hash("refresh", 0), "")
	must(t, err)
	same(t, want, *got)
	got, err = s.TakeCode(t.Context(), want.Code, hash("refresh", 1), "")
	is(t, issuer.ErrTaken, err)
	if got == nil {
		t.Fatal("a code that was used comes with its session, so that the session can be ended")
	}
	same(t, want, *got)

	got, err = s.SessionByRefresh(t.Context(), hash("refresh", 0))
	must(t, err)
	same(t, want, *got)
	_, err = s.SessionByRefresh(t.Context(), hash("refresh", 1))
	is(t, issuer.ErrNotFound, err)
}

// testBinding: a session without a key gets the one that its code comes with, and
// keeps it; one that has a key keeps that.
func testBinding(t *testing.T, s issuer.Store) {
	for n, jkt := range []string{"", "own"} {
		want := Session(fmt.Sprint("id", n), hash("code", n))
		want.JKT = jkt
		must(t, s.AddSession(t.Context(), want))
		want.JKT = [...]string{"late", "own"}[n]
		got, err := s.TakeCode(t.Context(), want.Code, hash("refresh", n), "late")
		must(t, err)
		same(t, want, *got)
		got, err = s.TakeCode(t.Context(), want.Code, hash("refresh", 2+n), "later")
		is(t, issuer.ErrTaken, err)
		same(t, want, *got)
		got, err = s.SessionByRefresh(t.Context(), hash("refresh", n))
		must(t, err)
		same(t, want, *got)
		got, err = s.SessionByID(t.Context(), want.ID)
		must(t, err)
		same(t, want, *got)
	}
}

func testCodeRace(t *testing.T, s issuer.Store, rounds int) {
	for n := range rounds {
		code := hash("code", n)
		must(t, s.AddSession(t.Context(), Session(fmt.Sprint("id", n), code)))
		refresh := func(k int) issuer.Hash { return hash("refresh", n*takers+k) }
		one(t, n, Race(t, takers, func(k int) error {
			_, err := s.TakeCode(t.Context(), code, refresh(k), "")
			return err
		}))
		one(t, n, Race(t, takers, func(k int) error {
			_, err := s.SessionByRefresh(t.Context(), refresh(k))
			return err
		}))
	}
}

func testEnd(t *testing.T, s issuer.Store) {
	_, err := s.EndSession(t.Context(), "id", "why", epoch)
	is(t, issuer.ErrNotFound, err)
	_, err = s.SessionByID(t.Context(), "id")
	is(t, issuer.ErrNotFound, err)
	must(t, s.AddSession(t.Context(), Session("id", hash("code", 0))))
	got, err := s.SessionByID(t.Context(), "id")
	must(t, err)
	same(t, Session("id", hash("code", 0)), *got)
	_, err = s.TakeCode(t.Context(), hash("code", 0), hash("refresh", 0), "")
	must(t, err)
	for n, want := range []bool{true, false} {
		ended, err := s.EndSession(t.Context(), "id", fmt.Sprint("reason ", n), epoch.Add(time.Duration(n)*time.Second))
		must(t, err)
		if ended != want {
			t.Fatalf("ending for the %d. time: ended=%v", n+1, ended)
		}
	}
	got, err = s.SessionByRefresh(t.Context(), hash("refresh", 0))
	must(t, err)
	want := Session("id", hash("code", 0))
	want.Ended, want.EndReason = epoch, "reason 0"
	same(t, want, *got)
	got, err = s.SessionByID(t.Context(), "id")
	must(t, err)
	same(t, want, *got)
}

func testEndRace(t *testing.T, s issuer.Store, rounds int) {
	for n := range rounds {
		id := fmt.Sprint("id", n)
		must(t, s.AddSession(t.Context(), Session(id, hash("code", n))))
		one(t, n, Race(t, takers, func(int) error {
			ended, err := s.EndSession(t.Context(), id, "why", epoch)
			if err == nil && !ended {
				return issuer.ErrTaken
			}
			return err
		}))
	}
}

func testProof(t *testing.T, s issuer.Store) {
	must(t, s.AddProof(t.Context(), hash("proof", 0), epoch))
	is(t, issuer.ErrTaken, s.AddProof(t.Context(), hash("proof", 0), epoch.Add(time.Hour)))
	must(t, s.AddProof(t.Context(), hash("proof", 1), epoch))
}

func testProofRace(t *testing.T, s issuer.Store, rounds int) {
	for n := range rounds {
		one(t, n, Race(t, takers, func(int) error { return s.AddProof(t.Context(), hash("proof", n), epoch) }))
	}
}

// testSweep: what has expired goes, what has not stays, to the moment.
func testSweep(t *testing.T, s issuer.Store) {
	for n, at := range []time.Time{epoch, epoch.Add(time.Second)} {
		r := request(hash("request", n))
		r.Expires = at
		must(t, s.PutRequest(t.Context(), r))
		se := Session(fmt.Sprint("id", n), hash("code", n))
		se.Expires = at
		must(t, s.AddSession(t.Context(), se))
		_, err := s.TakeCode(t.Context(), se.Code, hash("refresh", n), "")
		must(t, err)
		must(t, s.AddProof(t.Context(), hash("proof", n), at))
	}
	must(t, s.Sweep(t.Context(), epoch.Add(time.Second)))

	_, err := s.TakeRequest(t.Context(), hash("request", 0))
	is(t, issuer.ErrNotFound, err)
	_, err = s.TakeRequest(t.Context(), hash("request", 1))
	must(t, err)
	_, err = s.SessionByRefresh(t.Context(), hash("refresh", 0))
	is(t, issuer.ErrNotFound, err)
	_, err = s.TakeCode(t.Context(), hash("code", 0), hash("refresh", 2), "")
	is(t, issuer.ErrNotFound, err)
	_, err = s.SessionByRefresh(t.Context(), hash("refresh", 1))
	must(t, err)
	must(t, s.AddProof(t.Context(), hash("proof", 0), epoch))
	is(t, issuer.ErrTaken, s.AddProof(t.Context(), hash("proof", 1), epoch))
	must(t, s.AddKey(t.Context(), key("first"), ""))
	must(t, s.Sweep(t.Context(), epoch.Add(100*365*24*time.Hour)))
	keys, err := s.Keys(t.Context())
	must(t, err)
	if len(keys) != 1 || keys[0].ID != "first" {
		t.Fatal("signing keys are never swept")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, want, err error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got the error %v, want %v", err, want)
	}
}

func one(t *testing.T, round, winners int) {
	t.Helper()
	if winners != 1 {
		t.Fatalf("round %d: %d of %d won, want one", round, winners, takers)
	}
}

// same compares structs whose times may differ in location.
func same(t *testing.T, want, got any) {
	t.Helper()
	w, g := reflect.ValueOf(want), reflect.ValueOf(got)
	for n := range w.NumField() {
		a, b := w.Field(n).Interface(), g.Field(n).Interface()
		if at, ok := a.(time.Time); ok && at.Equal(b.(time.Time)) || reflect.DeepEqual(a, b) {
			continue
		}
		t.Fatalf("%s: got %v, want %v", w.Type().Field(n).Name, b, a)
	}
}
