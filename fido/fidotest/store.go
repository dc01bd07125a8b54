package fidotest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// now has no fractions that a store could lose, and is not today.
var now = time.Date(2031, 5, 6, 7, 8, 9, 123456789, time.UTC)

// TestStore tests the stores that open returns. Each call of open must return an
// empty store; if it also registers a clean-up, that is run at the end of the
// subtest that called it.
func TestStore(t *testing.T, open func(t *testing.T) fido.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s fido.Store)
	}{
		{"ceremonies are taken once", ceremonies},
		{"a ceremony taken by many goes to one", ceremonyRace},
		{"64 take 1,000 ceremonies", storm},
		{"expired records may go, others stay", expiry},
		{"users", users},
		{"a new user is made once", userRace},
		{"updates of users compare and swap", userUpdates},
		{"users in pages", userPages},
		{"invitations", invites},
		{"a user's invitations", inviteLists},
		{"credentials", credentials},
		{"credential IDs are unique over all users", uniqueness},
		{"an invitation serves one credential", inviteOnce},
		{"an invitation used by many serves one", inviteRace},
		{"a limit of credentials", limits},
		{"a limit that many reach", limitRace},
		{"a device is one person's", serials},
		{"a device that many register", serialRace},
		{"a failed addition changes nothing", additionAtomic},
		{"updates of credentials compare and swap", compareAndSwap},
		{"credentials in pages", credentialPages},
		{"pages have a limit", longPages},
		{"what is returned is a copy", copies},
		{"values compare and swap", values},
		{"a value that many set", valueRace},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func hash(n byte) (h fido.Hash) {
	h[0], h[31] = n, ^n
	return h
}

func user(n byte) fido.User {
	return fido.User{Handle: bytes.Repeat([]byte{n}, 32), Name: fmt.Sprintf("User%d@example.com", n), DisplayName: fmt.Sprintf("User Nr. %d", n), Groups: []string{"admins", "data"}, Blocked: "for now", Created: now}
}

func credential(id, owner byte) fido.Credential {
	return fido.Credential{
		ID: []byte{id, 1, 2, 3}, UserHandle: user(owner).Handle, PublicKey: []byte{4, 5, 6}, Algorithm: fido.ES256, SignCount: 1<<32 - 2,
		Evidence:   keypolicy.Evidence{Verdict: keypolicy.Rooted, RootedBy: "mds", AAGUID: keypolicy.AAGUID{7, 8}, Format: "packed", Hardware: true, Status: []string{"UPDATE_AVAILABLE"}, Note: "because", At: now},
		Transports: []string{"nfc", "usb"}, Discoverable: true, Name: "key", UserVerified: true, BackupEligible: true,
		State: fido.StateActive, StateReason: "registered", StateBy: "ana", StateSince: now, Approved: now, ApprovedBy: "eve", Rationale: "new laptop",
		Created: now, AttestationObject: []byte{9}, ClientDataJSON: []byte("{}"),
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func addUser(t *testing.T, s fido.Store, n byte) fido.User {
	t.Helper()
	u, err := s.EnsureUser(t.Context(), fmt.Sprintf("user%d@example.com", n), user(n))
	ok(t, err)
	return u
}

// flood calls f with each number below n, many at a time: a store whose writers
// share a flush is done sooner.
func flood(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	turns := make(chan struct{}, 32)
	for i := range errs {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	ok(t, errors.Join(errs...))
}

// race runs f in 16 goroutines and counts the calls that returned nil. The
// others must have failed with lost.
func race(t *testing.T, lost error, f func(n int) error) (won int) {
	t.Helper()
	errs := make([]error, 16)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range errs {
		wg.Go(func() { <-start; errs[i] = f(i) })
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			is(t, err, lost)
		}
	}
	return won
}
