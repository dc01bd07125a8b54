package fidotest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

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
	want.Evidence = keypolicy.Evidence{Verdict: keypolicy.Self, Note: "looked at again"}
	want.Name, want.StateReason, want.StateBy, want.StateSince = "other", "lost", "ben", now.Add(time.Minute)
	want.Approved, want.ApprovedBy, want.Rationale, want.Revoked = now.Add(time.Second), "max", "because", now.Add(2*time.Hour)
	update := want
	update.Revision, update.PublicKey, update.UserHandle, update.Created = read.Revision, []byte("other"), user(2).Handle, now.Add(1)
	update.Discoverable, update.BackupEligible, update.SerialHash, update.Transports = false, false, []byte("x"), nil
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
