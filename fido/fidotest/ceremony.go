package fidotest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/fido"
)

func ceremonies(t *testing.T, s fido.Store) {
	invite := hash(9)
	for i, r := range []fido.CeremonyRecord{
		{Purpose: fido.PurposeSignIn, Challenge: []byte("x")},
		{
			Purpose: fido.PurposeRegistration, Challenge: bytes.Repeat([]byte{1}, 32), UserHandle: user(1).Handle, Allowed: [][]byte{{1}, {2, 3}},
			Invite: &invite, UserVerification: "required", Conditional: true,
			CredentialName: "the blue one", RemoteAddr: "192.0.2.1", UserAgent: "browser",
		},
	} {
		r.ID, r.Expires = hash(byte(i)), now.Add(time.Minute)
		ok(t, s.PutCeremony(t.Context(), r, now))
		_, err := s.TakeCeremony(t.Context(), hash(byte(100+i)))
		is(t, err, fido.ErrNotFound)
		got, err := s.TakeCeremony(t.Context(), r.ID)
		ok(t, err)
		if !got.Expires.Equal(r.Expires) {
			t.Fatalf("expires %v, want %v", got.Expires, r.Expires)
		}
		got.Expires = r.Expires
		if len(got.UserHandle) == 0 {
			got.UserHandle = nil
		}
		if !reflect.DeepEqual(got, r) {
			t.Fatalf("took %+v, want %+v", got, r)
		}
		_, err = s.TakeCeremony(t.Context(), r.ID)
		is(t, err, fido.ErrNotFound)
	}
}

func ceremonyRace(t *testing.T, s fido.Store) {
	for round := range byte(50) {
		ok(t, s.PutCeremony(t.Context(), fido.CeremonyRecord{ID: hash(round), Purpose: fido.PurposeSignIn, Challenge: []byte{1}, Expires: now.Add(time.Minute)}, now))
		if won := race(t, fido.ErrNotFound, func(int) error { _, err := s.TakeCeremony(t.Context(), hash(round)); return err }); won != 1 {
			t.Fatalf("round %d: %d took the ceremony", round, won)
		}
	}
}

// storm lets 64 goroutines take the same 1,000 ceremonies, each in an order of
// its own.
func storm(t *testing.T, s fido.Store) {
	many := 1000
	if testing.Short() {
		many = 25
	}
	id := func(n int) (id fido.Hash) {
		copy(id[:], fmt.Sprintf("ceremony %d", n))
		return id
	}
	flood(t, many, func(n int) error {
		return s.PutCeremony(t.Context(), fido.CeremonyRecord{ID: id(n), Purpose: fido.PurposeSignIn, Challenge: []byte{1}, Expires: now.Add(time.Minute)}, now)
	})
	taken := make([]atomic.Int32, many)
	errs := make([]error, 64)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for _, n := range rand.New(rand.NewPCG(uint64(i), 1)).Perm(many) {
				switch _, err := s.TakeCeremony(t.Context(), id(n)); {
				case err == nil:
					taken[n].Add(1)
				case !errors.Is(err, fido.ErrNotFound):
					errs[i] = err
				}
			}
		})
	}
	wg.Wait()
	ok(t, errors.Join(errs...))
	for n := range taken {
		if times := taken[n].Load(); times != 1 {
			t.Fatalf("ceremony %d was taken %d times", n, times)
		}
	}
}

func expiry(t *testing.T, s fido.Store) {
	put := func(n int, at, expires time.Time) error {
		var id fido.Hash
		copy(id[:], fmt.Sprintf("ceremony %d", n))
		return s.PutCeremony(t.Context(), fido.CeremonyRecord{ID: id, Purpose: fido.PurposeSignIn, Challenge: []byte{1}, Expires: expires}, at)
	}
	many := 1100 // enough for a store that cleans up now and then
	if testing.Short() {
		many = 150
	}
	flood(t, many, func(i int) error { return put(i, now, now.Add(time.Duration(1+i%2)*time.Minute)) })
	later := now.Add(90 * time.Second)
	flood(t, many, func(i int) error { return put(many+i, later, later.Add(time.Minute)) })
	flood(t, 2*many, func(i int) error {
		var id fido.Hash
		copy(id[:], fmt.Sprintf("ceremony %d", i))
		_, err := s.TakeCeremony(t.Context(), id)
		if i < many && i%2 == 0 && errors.Is(err, fido.ErrNotFound) {
			return nil // expired: may have been forgotten
		}
		return err
	})
	// Invitations go the same way, but for those that do not expire.
	addUser(t, s, 1)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{
		{ID: hash(1), UserHandle: user(1).Handle, Kind: fido.KindRecovery},
		{ID: hash(2), UserHandle: user(1).Handle, Kind: fido.KindLink, Expires: later.Add(time.Hour)},
	}, false))
	flood(t, many, func(i int) error { return put(2*many+i, later, later.Add(time.Minute)) })
	for n := range byte(2) {
		_, err := s.Invite(t.Context(), hash(1+n))
		ok(t, err)
	}
}
