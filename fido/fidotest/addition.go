package fidotest

import (
	"fmt"
	"testing"

	"github.com/lakekey/lakekey/fido"
)

func limits(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	addUser(t, s, 2)
	three := fido.Addition{Limit: 3}
	for n := range byte(3) {
		ok(t, s.AddCredential(t.Context(), credential(1+n, 1), three))
	}
	is(t, s.AddCredential(t.Context(), credential(4, 1), three), fido.ErrLimit)
	ok(t, s.AddCredential(t.Context(), credential(5, 2), three)) // somebody else's do not count
	ok(t, s.AddCredential(t.Context(), credential(6, 1), fido.Addition{}))
	is(t, s.AddCredential(t.Context(), credential(4, 1), fido.Addition{Limit: 4}), fido.ErrLimit)
	for n := range byte(2) { // nor do revoked ones
		c, err := s.Credential(t.Context(), credential(1+n, 1).ID)
		ok(t, err)
		c.State, c.Revoked = fido.StateRevoked, now
		ok(t, s.UpdateCredential(t.Context(), c))
	}
	ok(t, s.AddCredential(t.Context(), credential(4, 1), three))
	is(t, s.AddCredential(t.Context(), credential(7, 1), three), fido.ErrLimit)
	// A refusal uses up no invitation.
	id := hash(1)
	ok(t, s.AddInvites(t.Context(), []fido.Invite{{ID: id, UserHandle: user(1).Handle, Kind: fido.KindLink, Expires: now}}, false))
	is(t, s.AddCredential(t.Context(), credential(7, 1), fido.Addition{Invite: &id, Limit: 3}), fido.ErrLimit)
	_, err := s.Invite(t.Context(), id)
	ok(t, err)
}

func limitRace(t *testing.T, s fido.Store) {
	for round := range byte(5) {
		addUser(t, s, round)
		won := race(t, fido.ErrLimit, func(n int) error {
			c := credential(byte(n), round)
			c.ID[1] = round
			return s.AddCredential(t.Context(), c, fido.Addition{Limit: 3})
		})
		all, err := s.Credentials(t.Context(), user(round).Handle)
		ok(t, err)
		if won != 3 || len(all) != 3 {
			t.Fatalf("%d were added and %d are there, where 3 may be", won, len(all))
		}
	}
}

func serials(t *testing.T, s fido.Store) {
	addUser(t, s, 1)
	addUser(t, s, 2)
	with := func(id, owner byte, serial string) fido.Credential {
		c := credential(id, owner)
		c.SerialHash = []byte(serial)
		return c
	}
	ok(t, s.AddCredential(t.Context(), with(1, 1, "a"), fido.Addition{}))
	ok(t, s.AddCredential(t.Context(), with(2, 1, "a"), fido.Addition{})) // another credential on one's own device
	is(t, s.AddCredential(t.Context(), with(3, 2, "a"), fido.Addition{}), fido.ErrSerialTaken)
	ok(t, s.AddCredential(t.Context(), with(4, 2, "b"), fido.Addition{}))
	none := credential(5, 2) // no serial number is nobody's
	ok(t, s.AddCredential(t.Context(), none, fido.Addition{}))
	ok(t, s.AddCredential(t.Context(), credential(6, 1), fido.Addition{}))
	// A device that was handed in may be handed out.
	for _, id := range []byte{1, 2} {
		is(t, s.AddCredential(t.Context(), with(3, 2, "a"), fido.Addition{}), fido.ErrSerialTaken)
		c, err := s.Credential(t.Context(), credential(id, 1).ID)
		ok(t, err)
		if string(c.SerialHash) != "a" {
			t.Fatalf("the serial number's hash is %q", c.SerialHash)
		}
		c.State, c.Revoked = fido.StateRevoked, now
		ok(t, s.UpdateCredential(t.Context(), c))
	}
	ok(t, s.AddCredential(t.Context(), with(3, 2, "a"), fido.Addition{}))
	is(t, s.AddCredential(t.Context(), with(7, 1, "a"), fido.Addition{}), fido.ErrSerialTaken)
}

func serialRace(t *testing.T, s fido.Store) {
	for n := range byte(16) {
		addUser(t, s, n)
	}
	for round := range byte(10) {
		if won := race(t, fido.ErrSerialTaken, func(n int) error {
			c := credential(byte(n), byte(n))
			c.ID[1], c.SerialHash = round, fmt.Append(nil, "device ", round)
			return s.AddCredential(t.Context(), c, fido.Addition{Limit: 100})
		}); won != 1 {
			t.Fatalf("%d people have the same device", won)
		}
	}
}
