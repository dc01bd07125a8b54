package fido_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
)

// TestActiveAsksThePolicyOfToday: what lives on after a sign-in ends with the next
// request once the policy, the person's groups or the metadata say so.
func TestActiveAsksThePolicyOfToday(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	var m models
	good := fixed{blob: m.blob(t, fipsEntry(root))}
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			under := func(metadata fido.Metadata, rules ...keypolicy.Rule) *fido.RelyingParty {
				policy, err := keypolicy.New(nil, rules...)
				require.NoError(t, err)
				cfg := config()
				cfg.Metadata, cfg.Policy = metadata, policy
				return party(t, cfg, store)
			}
			hardware := keypolicy.Rule{Name: "hardware", Profile: keypolicy.AttestedHardware()}
			anything := keypolicy.Rule{Name: "anything"}
			rp := under(good, anything)
			_, c := genuineKey(t, rp, root)
			soft := enrol(t, rp, ben, newForge(t, fido.ES256))
			for _, id := range [][]byte{c.ID, soft.ID} {
				require.NoError(t, rp.Active(t.Context(), id, true))
				refusedFor(t, rp.Active(t.Context(), id, false), "user_verification")
			}

			stricter := under(good, hardware)
			require.NoError(t, stricter.Active(t.Context(), c.ID, true))
			refusedFor(t, stricter.Active(t.Context(), soft.ID, true), "attested")

			grouped := keypolicy.Rule{Name: "visitors", Groups: []string{"visitors"}}
			split := under(good, grouped, hardware)
			_, err := split.SetGroups(t.Context(), soft.UserHandle, []string{"visitors"}, eve)
			require.NoError(t, err)
			require.NoError(t, split.Active(t.Context(), soft.ID, true))
			_, err = split.SetGroups(t.Context(), soft.UserHandle, nil, eve)
			require.NoError(t, err)
			refusedFor(t, split.Active(t.Context(), soft.ID, true), "attested")

			broken := fixed{blob: m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.Revoked, EffectiveDate: time.Unix(0, 0)}))}
			refusedFor(t, under(broken, anything).Active(t.Context(), c.ID, true), "undesired_status")
			refusedFor(t, under(fixed{err: &mds.StaleError{Number: 1}}, hardware).Active(t.Context(), c.ID, true), "attested")
			require.NoError(t, under(fixed{err: &mds.StaleError{Number: 1}}, anything).Active(t.Context(), c.ID, true), "a rule that needs no metadata")
		})
	}
}
