package fidotest

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"testing"

	"github.com/lakekey/lakekey/fido"
)

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

func inviteLists(t *testing.T, s fido.Store) {
	invite := func(n, owner byte, kind fido.InviteKind) fido.Invite {
		return fido.Invite{ID: hash(n), UserHandle: user(owner).Handle, Kind: kind, Created: now, By: "eve", Expires: now.Add(1)}
	}
	is(t, s.AddInvites(t.Context(), []fido.Invite{invite(1, 1, fido.KindLink)}, false), fido.ErrNotFound) // nobody's
	addUser(t, s, 1)
	addUser(t, s, 2)
	holds := func(owner byte, want ...fido.Invite) {
		t.Helper()
		got, err := s.Invites(t.Context(), user(owner).Handle)
		ok(t, err)
		slices.SortFunc(got, func(a, b fido.Invite) int { return cmp.Compare(a.ID[0], b.ID[0]) })
		for i := range got {
			if i < len(want) && got[i].Created.Equal(want[i].Created) && got[i].Expires.Equal(want[i].Expires) {
				got[i].Created, got[i].Expires = want[i].Created, want[i].Expires
			}
		}
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("invitations %+v, want %+v", got, want)
		}
	}
	holds(1)
	link, ben := invite(1, 1, fido.KindLink), invite(2, 2, fido.KindRecovery)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{link, ben}, false))
	holds(1, link)
	first, second := invite(3, 1, fido.KindRecovery), invite(4, 1, fido.KindRecovery)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{first, second}, true))
	holds(1, link, first, second)
	holds(2, ben)
	third := invite(5, 1, fido.KindRecovery)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{third}, true))
	holds(1, link, third)
	holds(2, ben)
	_, err := s.Invite(t.Context(), hash(3))
	is(t, err, fido.ErrNotFound)
	// All or nothing: the second is nobody's, so the first does not replace.
	is(t, s.AddInvites(t.Context(), []fido.Invite{invite(6, 1, fido.KindRecovery), invite(7, 9, fido.KindRecovery)}, true), fido.ErrNotFound)
	holds(1, link, third)
	// Two who replace at the same time leave the set of one of them.
	race(t, nil, func(n int) error {
		b := byte(20 + 2*n)
		return s.AddInvites(t.Context(), []fido.Invite{invite(b, 2, fido.KindRecovery), invite(b+1, 2, fido.KindRecovery)}, true)
	})
	left, err := s.Invites(t.Context(), user(2).Handle)
	ok(t, err)
	if len(left) != 2 || left[0].ID[0]/2 != left[1].ID[0]/2 {
		t.Fatalf("%d sets were left of those that replaced each other: %v", len(left), left)
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
