package fidotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
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
		{"expired ceremonies may go, others stay", expiry},
		{"users", users},
		{"a new user is made once", userRace},
		{"invitations", invites},
		{"credentials", credentials},
		{"credential IDs are unique over all users", uniqueness},
		{"an invitation serves one credential", inviteOnce},
		{"an invitation used by many serves one", inviteRace},
		{"a failed addition changes nothing", additionAtomic},
		{"updates compare and swap", compareAndSwap},
		{"what is returned is a copy", copies},
		{"values compare and swap", values},
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

func ceremonies(t *testing.T, s fido.Store) {
	invite := hash(9)
	for i, r := range []fido.CeremonyRecord{
		{Purpose: fido.PurposeSignIn, Challenge: []byte("x")},
		{
			Purpose: fido.PurposeRegistration, Challenge: bytes.Repeat([]byte{1}, 32), UserHandle: user(1).Handle, Allowed: [][]byte{{1}, {2, 3}},
			Invite: &invite, UserVerification: "required", RemoteAddr: "192.0.2.1",
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

func ceremonyRace(t *testing.T, s fido.Store) {
	for round := range byte(50) {
		ok(t, s.PutCeremony(t.Context(), fido.CeremonyRecord{ID: hash(round), Purpose: fido.PurposeSignIn, Challenge: []byte{1}, Expires: now.Add(time.Minute)}, now))
		if won := race(t, fido.ErrNotFound, func(int) error { _, err := s.TakeCeremony(t.Context(), hash(round)); return err }); won != 1 {
			t.Fatalf("round %d: %d took the ceremony", round, won)
		}
	}
}

func expiry(t *testing.T, s fido.Store) {
	put := func(n int, at, expires time.Time) {
		var id fido.Hash
		copy(id[:], fmt.Sprintf("ceremony %d", n))
		ok(t, s.PutCeremony(t.Context(), fido.CeremonyRecord{ID: id, Purpose: fido.PurposeSignIn, Challenge: []byte{1}, Expires: expires}, at))
	}
	const many = 1100 // enough for a store that cleans up now and then
	for i := range many {
		put(i, now, now.Add(time.Duration(1+i%2)*time.Minute))
	}
	later := now.Add(90 * time.Second)
	for i := range many {
		put(many+i, later, later.Add(time.Minute))
	}
	for i := range 2 * many {
		var id fido.Hash
		copy(id[:], fmt.Sprintf("ceremony %d", i))
		_, err := s.TakeCeremony(t.Context(), id)
		if i < many && i%2 == 0 {
			if err != nil {
				is(t, err, fido.ErrNotFound) // expired: may have been forgotten
			}
			continue
		}
		ok(t, err)
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

func invites(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	_, err := s.Invite(t.Context(), hash(1))
	is(t, err, fido.ErrNotFound)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{{ID: hash(1), UserHandle: user(1).Handle, Kind: fido.KindLink, Expires: now}}, false))
	for range 2 { // reading does not use it
		got, err := s.Invite(t.Context(), hash(1))
		ok(t, err)
		if !bytes.Equal(got.UserHandle, user(1).Handle) || !got.Expires.Equal(now) || got.ID != hash(1) {
			t.Fatalf("read %+v", got)
		}
	}
}

func same(t *testing.T, got, want fido.Credential) {
	t.Helper()
	for _, at := range []struct {
		name      string
		got, want *time.Time
	}{
		{"Created", &got.Created, &want.Created},
		{"Approved", &got.Approved, &want.Approved},
		{"LastUsed", &got.LastUsed, &want.LastUsed},
		{"Revoked", &got.Revoked, &want.Revoked},
		{"StateSince", &got.StateSince, &want.StateSince},
		{"Evidence.At", &got.Evidence.At, &want.Evidence.At},
	} {
		if !at.got.Equal(*at.want) {
			t.Fatalf("%s is %v, want %v", at.name, *at.got, *at.want)
		}
		*at.got = *at.want
	}
	if g, w := fmt.Sprintf("%+v", exported(got)), fmt.Sprintf("%+v", exported(want)); g != w {
		t.Fatalf("got credential\n%s, want\n%s", g, w)
	}
}

// exported lists the exported fields: a store may use the others.
func exported(c fido.Credential) (fields []any) {
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			fields = append(fields, f.Name, v.Field(i).Interface())
		}
	}
	return fields
}

func credentials(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	_, err := s.Credential(t.Context(), credential(1, 1).ID)
	is(t, err, fido.ErrNotFound)
	is(t, s.AddCredential(t.Context(), credential(1, 2), fido.Addition{}), fido.ErrNotFound) // nobody's
	for id := byte(9); id > 0; id-- {
		ok(t, s.AddCredential(t.Context(), credential(id, 1), fido.Addition{}))
	}
	all, err := s.Credentials(t.Context(), user(1).Handle)
	ok(t, err)
	if len(all) != 9 {
		t.Fatalf("%d credentials, want 9", len(all))
	}
	for i, c := range all {
		want := credential(byte(9-i), 1)
		want.Revision = 1
		same(t, c, want)
		one, err := s.Credential(t.Context(), want.ID)
		ok(t, err)
		same(t, one, want)
	}
	none, err := s.Credentials(t.Context(), user(2).Handle)
	ok(t, err)
	if len(none) != 0 {
		t.Fatalf("a stranger has %d credentials", len(none))
	}
}

func uniqueness(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	addUser(t, s, 2)
	ok(t, s.AddCredential(t.Context(), credential(1, 1), fido.Addition{}))
	is(t, s.AddCredential(t.Context(), credential(1, 1), fido.Addition{}), fido.ErrCredentialExists)
	is(t, s.AddCredential(t.Context(), credential(1, 2), fido.Addition{}), fido.ErrCredentialExists)
	if won := race(t, fido.ErrCredentialExists, func(n int) error {
		return s.AddCredential(context.WithoutCancel(t.Context()), credential(2, byte(1+n%2)), fido.Addition{})
	}); won != 1 {
		t.Fatalf("%d registered the same credential", won)
	}
}

func inviteOnce(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	id := hash(1)
	is(t, s.AddCredential(t.Context(), credential(1, 1), fido.Addition{Invite: &id}), fido.ErrInviteInvalid)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{{ID: id, UserHandle: user(1).Handle, Kind: fido.KindLink, Expires: now}}, false))
	ok(t, s.AddCredential(t.Context(), credential(1, 1), fido.Addition{Invite: &id}))
	_, err := s.Invite(t.Context(), id)
	is(t, err, fido.ErrNotFound)
	is(t, s.AddCredential(t.Context(), credential(2, 1), fido.Addition{Invite: &id}), fido.ErrInviteInvalid)
}

func inviteRace(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	id := hash(1)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{{ID: id, UserHandle: user(1).Handle, Kind: fido.KindLink, Expires: now}}, false))
	if won := race(t, fido.ErrInviteInvalid, func(n int) error {
		return s.AddCredential(t.Context(), credential(byte(n), 1), fido.Addition{Invite: &id})
	}); won != 1 {
		t.Fatalf("%d credentials with one invitation", won)
	}
}

func additionAtomic(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	id := hash(1)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{{ID: id, UserHandle: user(1).Handle, Kind: fido.KindLink, Expires: now}}, false))
	ok(t, s.AddCredential(t.Context(), credential(1, 1), fido.Addition{}))
	is(t, s.AddCredential(t.Context(), credential(1, 1), fido.Addition{Invite: &id}), fido.ErrCredentialExists)
	_, err := s.Invite(t.Context(), id)
	ok(t, err) // still usable
	ok(t, s.AddCredential(t.Context(), credential(2, 1), fido.Addition{Invite: &id}))
}

func compareAndSwap(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	c := credential(1, 1)
	is(t, s.UpdateCredential(t.Context(), c), fido.ErrNotFound)
	ok(t, s.AddCredential(t.Context(), c, fido.Addition{}))
	is(t, s.UpdateCredential(t.Context(), c), fido.ErrConflict) // revision 0 was never stored
	read, err := s.Credential(t.Context(), c.ID)
	ok(t, err)
	want := c
	want.SignCount, want.UserVerified, want.BackupState, want.LastUsed, want.State = 1<<32-1, false, true, now.Add(time.Hour), fido.StateRevoked
	update := want
	update.Revision, update.PublicKey, update.UserHandle, update.Created = read.Revision, []byte("other"), user(2).Handle, now.Add(1)
	ok(t, s.UpdateCredential(t.Context(), update))
	want.Revision = read.Revision + 1
	got, err := s.Credential(t.Context(), c.ID)
	ok(t, err)
	same(t, got, want) // what never changes has not changed
	is(t, s.UpdateCredential(t.Context(), update), fido.ErrConflict)
	if won := race(t, fido.ErrConflict, func(n int) error {
		mine := got.Clone()
		mine.SignCount = uint32(n)
		return s.UpdateCredential(t.Context(), mine)
	}); won != 1 {
		t.Fatalf("%d updated one revision", won)
	}
}

func copies(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	c := credential(1, 1)
	ok(t, s.AddCredential(t.Context(), c, fido.Addition{}))
	c.ID[0], c.PublicKey[0], c.Transports[0] = 77, 77, "changed"
	for range 2 {
		got, err := s.Credential(t.Context(), []byte{1, 1, 2, 3})
		ok(t, err)
		want := credential(1, 1)
		want.Revision = 1
		same(t, got, want)
		got.ID[0], got.PublicKey[0], got.Transports[0], got.UserHandle[0], got.AttestationObject[0] = 88, 88, "changed", 88, 88
	}
	u, err := s.User(t.Context(), user(1).Handle)
	ok(t, err)
	u.Handle[0] = 99
	_, err = s.User(t.Context(), user(1).Handle)
	ok(t, err)
	challenge := []byte{1, 2, 3}
	ok(t, s.PutCeremony(t.Context(), fido.CeremonyRecord{ID: hash(1), Purpose: fido.PurposeSignIn, Challenge: challenge, Expires: now}, now))
	challenge[0] = 99
	r, err := s.TakeCeremony(t.Context(), hash(1))
	ok(t, err)
	if r.Challenge[0] != 1 {
		t.Fatal("the store kept the caller's memory")
	}
}

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
