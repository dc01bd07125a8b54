package fido_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

// A registration that rests on a key which its owner has signed in with ends with
// that key, in every store.
func TestARegistrationEndsWithTheKeyItRestsOn(t *testing.T) {
	act := fido.Act{By: "admin@example.com", Rationale: "because"}
	for kind, store := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			rp := party(t, config(), store)
			his := enrol(t, rp, ben, newForge(t, fido.EdDSA))
			for _, c := range []struct {
				want error
				end  func(id, handle []byte) error
			}{
				{nil, func([]byte, []byte) error { return nil }},
				{fido.ErrQuarantined, func(id, _ []byte) error { _, err := rp.Quarantine(t.Context(), id, act); return err }},
				{fido.ErrRevoked, func(id, _ []byte) error { _, err := rp.Revoke(t.Context(), id, act); return err }},
				{fido.ErrBlocked, func(_, handle []byte) error { _, err := rp.Block(t.Context(), handle, act); return err }},
			} {
				key, next := newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)
				held := enrol(t, rp, ana, key)
				by := fido.RegistrationRequest{UserHandle: held.UserHandle, SignedInBy: held.ID}
				begun, err := rp.BeginRegistration(t.Context(), by)
				require.NoError(t, err)
				require.NoError(t, c.end(held.ID, held.UserHandle))
				_, err = rp.FinishRegistration(t.Context(), begun.ID, next.register(t, begun.Options))
				require.ErrorIs(t, err, c.want)
				_, err = rp.BeginRegistration(t.Context(), by)
				require.ErrorIs(t, err, c.want)
			}
			_, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{UserHandle: his.UserHandle, SignedInBy: newForge(t, fido.EdDSA).id})
			require.ErrorIs(t, err, fido.ErrNotFound, "not a key of his")
		})
	}
}
