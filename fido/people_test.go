package fido_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

func TestBlockedPeople(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, store)
			key, other := newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)
			enrol(t, h.RelyingParty, ana, key)
			enrol(t, h.RelyingParty, ben, other)
			invite, begun := beginRegistration(t, h.RelyingParty, ana)
			h.inbox.types()

			u, err := h.Block(t.Context(), key.handle, eve)
			require.NoError(t, err)
			require.Equal(t, "because", u.Blocked)
			require.Equal(t, []string{"user.blocked"}, h.inbox.types())
			require.ErrorIs(t, h.Active(t.Context(), key.id, true), fido.ErrBlocked)
			_, err = signIn(t, h.RelyingParty, ana, key)
			require.ErrorIs(t, err, fido.ErrBlocked)
			_, err = signIn(t, h.RelyingParty, ana, key, func(d *draft) { d.origin = "https://evil.org" })
			failsCheck(t, err, "origin")
			require.NotErrorIs(t, err, fido.ErrBlocked, "whoever has not signed is not told")
			// An invitation from before does not help.
			_, err = h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
			require.ErrorIs(t, err, fido.ErrBlocked)
			_, err = h.FinishRegistration(t.Context(), begun.ID, newForge(t, fido.EdDSA).register(t, begun.Options))
			require.ErrorIs(t, err, fido.ErrBlocked)
			_, err = h.Block(t.Context(), key.handle, eve)
			require.ErrorIs(t, err, fido.ErrConflict)
			_, err = signIn(t, h.RelyingParty, ben, other)
			require.NoError(t, err)

			u, err = h.Unblock(t.Context(), key.handle, eve)
			require.NoError(t, err)
			require.Empty(t, u.Blocked)
			_, err = signIn(t, h.RelyingParty, ana, key)
			require.NoError(t, err)
			_, err = h.Unblock(t.Context(), key.handle, eve)
			require.ErrorIs(t, err, fido.ErrConflict)
			for typ, want := range map[string]int{"user.blocked": 3, "user.unblocked": 3} { // an intent, a result, a refusal
				require.Len(t, recorded(t, h.log, typ), want)
			}
		})
	}
}

func TestGroups(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	_, err := h.InviteFor(t.Context(), fido.InviteRequest{UserName: ana, TTL: time.Hour, Groups: []string{"data", " admins ", "data"}, Act: eve})
	require.NoError(t, err)
	u, err := h.UserByName(t.Context(), "ANA@example.com")
	require.NoError(t, err)
	require.Equal(t, []any{[]string{"admins", "data"}, h.at, ana}, []any{u.Groups, u.Created, u.Name})
	require.Contains(t, recorded(t, h.log, "user.created")[1], `"group":"admins, data"`)
	require.Contains(t, recorded(t, h.log, "invite.issued")[0], `"actor":"eve@example.com"`)

	// Inviting again says nothing about groups unless it does.
	_, err = h.InviteFor(t.Context(), fido.InviteRequest{UserName: ana, TTL: time.Hour, Act: eve})
	require.NoError(t, err)
	require.Empty(t, recorded(t, h.log, "user.group-changed"))
	_, err = h.InviteFor(t.Context(), fido.InviteRequest{UserName: ana, TTL: time.Hour, Groups: []string{}, Act: eve})
	require.NoError(t, err)
	u, err = h.User(t.Context(), u.Handle)
	require.NoError(t, err)
	require.Empty(t, u.Groups)
	u, err = h.SetGroups(t.Context(), u.Handle, []string{"b", "a"}, eve)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, u.Groups)
	require.Contains(t, recorded(t, h.log, "user.group-changed")[3], `"group":"a, b"`)

	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for _, bad := range [][]string{{""}, {"a,b"}, {"a\nb"}, {strings.Repeat("x", 65)}, {"a\x00"}, many} {
		_, err := h.SetGroups(t.Context(), u.Handle, bad, eve)
		var invalid *fido.InvalidError
		require.ErrorAs(t, err, &invalid)
	}
	_, err = h.SetGroups(t.Context(), []byte("nobody"), nil, eve)
	require.ErrorIs(t, err, fido.ErrNotFound)
}

func TestUsersInPages(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	want := []string{"Ada@example.com", "adam@example.com", "Ben@example.com"}
	for _, name := range []string{want[2], want[0], want[1]} {
		_, err := h.Invite(t.Context(), name, time.Hour)
		require.NoError(t, err)
	}
	var got []string
	q := fido.UserQuery{Limit: 2}
	for {
		page, err := h.Users(t.Context(), q)
		require.NoError(t, err)
		for _, u := range page {
			got = append(got, u.Name)
		}
		if len(page) < q.Limit {
			break
		}
		q.After = got[len(got)-1] // as it was shown, not as it is compared
	}
	// '@' comes before letters.
	require.Equal(t, want, got)
	page, err := h.Users(t.Context(), fido.UserQuery{Prefix: "ADA"})
	require.NoError(t, err)
	require.Len(t, page, 2)
}

// From the page of one's own keys to the password manager.
func TestKeyringAndSignals(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	keys := []*forge{newForge(t, fido.EdDSA), newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)}
	enrol(t, h.RelyingParty, ana, keys[0])
	handle := keys[0].handle
	ring := func(usable, codes int, needs bool) *fido.Keyring {
		t.Helper()
		k, err := h.Keyring(t.Context(), handle)
		require.NoError(t, err)
		require.Equal(t, []any{usable, codes, needs}, []any{k.Usable, k.RecoveryCodes, k.NeedsAnotherKey()})
		return k
	}
	ring(1, 0, true)
	_, err := h.IssueRecoveryCodes(t.Context(), handle, 5, fido.Act{By: ana})
	require.NoError(t, err)
	ring(1, 5, true)
	enrol(t, h.RelyingParty, ana, keys[1])
	enrol(t, h.RelyingParty, ana, keys[2], func(d *draft) { d.flags |= be | bs })
	k := ring(3, 5, false)
	require.Equal(t, []string{"Key 1", "Key 2", "Passkey 3"}, []string{k.Credentials[0].Name, k.Credentials[1].Name, k.Credentials[2].Name})
	h.pend(t, keys[1].id)
	ring(2, 5, false)
	_, err = h.Revoke(t.Context(), keys[0].id, fido.Act{By: ana})
	require.NoError(t, err)
	k = ring(1, 5, true)
	require.Len(t, k.Credentials, 3)
	_, err = h.Block(t.Context(), handle, eve)
	require.NoError(t, err)
	ring(0, 5, true)
	_, err = h.Keyring(t.Context(), []byte("nobody"))
	require.ErrorIs(t, err, fido.ErrNotFound)

	s, err := h.Signals(t.Context(), handle)
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"rpId":"example.com","userId":%q,"allAcceptedCredentialIds":[%q,%q]}`, b64(handle), b64(keys[1].id), b64(keys[2].id)), string(s.AllAcceptedCredentials))
	require.JSONEq(t, fmt.Sprintf(`{"rpId":"example.com","userId":%q,"name":%q,"displayName":%q}`, b64(handle), ana, ana), string(s.CurrentUserDetails))
	_, err = h.Signals(t.Context(), []byte("nobody"))
	require.ErrorIs(t, err, fido.ErrNotFound)
}

// Revoked keys are neither offered nor excluded, unless there are no others.
func TestRevokedKeysInOptions(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	first, second := newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, first)
	enrol(t, h.RelyingParty, ana, second)
	listed := func(options json.RawMessage) (ids []string) {
		var o struct {
			Allow, Exclude []struct{ ID string }
		}
		require.NoError(t, json.Unmarshal([]byte(strings.NewReplacer("allowCredentials", "allow", "excludeCredentials", "exclude").Replace(string(options))), &o))
		for _, c := range append(o.Allow, o.Exclude...) {
			ids = append(ids, c.ID)
		}
		return ids
	}
	options := func() (signIn, registration []string) {
		_, c := beginRegistration(t, h.RelyingParty, ana)
		return listed(beginSignIn(t, h.RelyingParty, ana).Options), listed(c.Options)
	}
	allowed, excluded := options()
	require.Equal(t, []string{b64(first.id), b64(second.id)}, allowed)
	require.Equal(t, allowed, excluded)
	_, err := h.Revoke(t.Context(), first.id, eve)
	require.NoError(t, err)
	allowed, excluded = options()
	require.Equal(t, []string{b64(second.id)}, allowed)
	require.Equal(t, allowed, excluded)
	_, err = h.Revoke(t.Context(), second.id, eve)
	require.NoError(t, err)
	allowed, excluded = options()
	require.Equal(t, []string{b64(first.id), b64(second.id)}, allowed, "their holder is told why")
	require.Empty(t, excluded)
	_, err = signIn(t, h.RelyingParty, ana, first)
	require.ErrorIs(t, err, fido.ErrRevoked)
	// The credential stays one person's for ever, and nobody's again.
	_, c := beginRegistration(t, h.RelyingParty, ana)
	_, err = h.FinishRegistration(t.Context(), c.ID, first.register(t, c.Options))
	require.ErrorIs(t, err, fido.ErrCredentialExists)
	_, c = beginRegistration(t, h.RelyingParty, ben)
	_, err = h.FinishRegistration(t.Context(), c.ID, first.register(t, c.Options))
	require.ErrorIs(t, err, fido.ErrCredentialExists)
}

func TestLimitOfKeys(t *testing.T) {
	more, err := keypolicy.New(nil, keypolicy.Rule{Name: "all", MaxKeys: 12})
	require.NoError(t, err)
	limited, err := keypolicy.New(nil, keypolicy.Rule{Name: "interns", Groups: []string{"interns"}, MaxKeys: 1}, keypolicy.Rule{Name: "all", MaxKeys: 50})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		configured int
		policy     *keypolicy.Policy
		groups     []string
		want       int
	}{
		"by default":          {0, nil, nil, 10},
		"configured":          {2, nil, nil, 2},
		"policy for a group":  {0, limited, []string{"interns"}, 1},
		"policy allows more":  {3, more, nil, 12},
		"policy allows fewer": {3, limited, []string{"interns"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, fido.NewMemoryStore(), func(cfg *fido.Config) { cfg.MaxCredentials, cfg.Policy = c.configured, c.policy })
			_, err := h.InviteFor(t.Context(), fido.InviteRequest{UserName: ana, TTL: time.Hour, Groups: c.groups, Act: eve})
			require.NoError(t, err)
			// Ceremonies that began before the limit was reached do not get around it.
			_, late := beginRegistration(t, h.RelyingParty, ana)
			keys := make([]*forge, c.want)
			for i := range keys {
				keys[i] = newForge(t, fido.EdDSA)
				enrol(t, h.RelyingParty, ana, keys[i])
			}
			invite, err := h.Invite(t.Context(), ana, time.Hour)
			require.NoError(t, err)
			begin := func() error {
				_, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
				return err
			}
			require.ErrorIs(t, begin(), fido.ErrLimit)
			_, err = h.FinishRegistration(t.Context(), late.ID, newForge(t, fido.EdDSA).register(t, late.Options))
			require.ErrorIs(t, err, fido.ErrLimit)
			_, err = h.Revoke(t.Context(), keys[0].id, eve)
			require.NoError(t, err)
			require.NoError(t, begin())
		})
	}
	cfg := config()
	cfg.MaxCredentials = -1
	_, err = fido.New(cfg, fido.NewMemoryStore())
	require.ErrorContains(t, err, "negative")
}

func TestKeysForPurposes(t *testing.T) {
	store := fido.NewMemoryStore()
	a, b := party(t, config(), store), party(t, config(), store)
	key := func(rp *fido.RelyingParty, purpose string) [32]byte {
		k, err := rp.Key(t.Context(), purpose)
		require.NoError(t, err)
		return k
	}
	require.Equal(t, key(a, "cookie"), key(b, "cookie"), "replicas agree")
	require.NotEqual(t, key(a, "cookie"), key(a, "serial"))
	require.NotEqual(t, key(a, "cookie"), key(party(t, config(), fido.NewMemoryStore()), "cookie"))
	_, err := a.Key(t.Context(), "")
	require.Error(t, err)
	seed, err := store.Swap(t.Context(), "seed", nil, nil)
	require.NoError(t, err)
	k := key(a, "cookie")
	require.NotEqual(t, seed, k[:])
}

func TestPolicyChangesAreRecorded(t *testing.T) {
	store := fido.NewMemoryStore()
	log, _ := memoryLog(t)
	strict, err := keypolicy.New(nil, keypolicy.Rule{Name: "hardware", Profile: keypolicy.AttestedHardware()})
	require.NoError(t, err)
	var none *keypolicy.Policy
	start := func(p *keypolicy.Policy) {
		cfg := config()
		cfg.Audit, cfg.InsecureNoAudit, cfg.Policy = log, false, p
		party(t, cfg, store)
	}
	for _, step := range []struct {
		policy *keypolicy.Policy
		old    string // empty: no change
	}{{none, ""}, {none, ""}, {strict, none.Hash()}, {strict, ""}, {none, strict.Hash()}} {
		before := len(recorded(t, log, "policy.changed"))
		start(step.policy)
		records := recorded(t, log, "policy.changed")[before:]
		if step.old == "" {
			require.Empty(t, records)
			continue
		}
		require.Len(t, records, 1)
		require.Contains(t, records[0], `"policy_hash":"`+step.policy.Hash()+`"`)
		require.Contains(t, records[0], `"policy_hash_old":"`+step.old+`"`)
	}
	// A program that keeps no log, such as one that only invites, leaves no trace:
	// the strict policy is still the one before the next.
	party(t, config(), store)
	start(strict)
	party(t, config(), store)
	before := len(recorded(t, log, "policy.changed"))
	start(none)
	records := recorded(t, log, "policy.changed")[before:]
	require.Len(t, records, 1)
	require.Contains(t, records[0], `"policy_hash_old":"`+strict.Hash()+`"`)
	// What cannot be recorded does not come into force.
	require.NoError(t, log.Close())
	cfg := config()
	cfg.Audit, cfg.InsecureNoAudit, cfg.Policy = log, false, strict
	_, err = fido.New(cfg, store)
	require.Error(t, err)
}

func TestHeldAt(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, store)
			start := h.at
			keys := make([]*forge, 3)
			for i := range keys { // registered on days 0, 1, 2; revoked on days 10, 11, 12
				keys[i] = newForge(t, fido.EdDSA)
				h.at = start.AddDate(0, 0, i)
				enrol(t, h.RelyingParty, ana, keys[i])
			}
			h.at = start
			enrol(t, h.RelyingParty, ben, newForge(t, fido.EdDSA))
			for i := range keys {
				h.at = start.AddDate(0, 0, 10+i)
				_, err := h.Revoke(t.Context(), keys[i].id, eve)
				require.NoError(t, err)
			}
			for day, want := range map[int][]int{-700_000: {}, 1_000_000: {}, -1: {}, 0: {0}, 1: {0, 1}, 5: {0, 1, 2}, 10: {1, 2}, 11: {2}, 12: {}} {
				got := []int{}
				others := 0
				for c, err := range h.HeldAt(t.Context(), start.AddDate(0, 0, day)) {
					require.NoError(t, err)
					i := slices.IndexFunc(keys, func(f *forge) bool { return string(f.id) == string(c.ID) })
					if i < 0 {
						others++
						continue
					}
					got = append(got, i)
				}
				require.ElementsMatch(t, want, got, "day %d", day)
				require.Equal(t, day >= 0, others == 1)
			}
			for range h.HeldAt(t.Context(), start) {
				break // a caller may stop early
			}
		})
	}
}

func TestDiscoverableAndNamed(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	invite, err := h.Invite(t.Context(), ana, time.Hour)
	require.NoError(t, err)
	for _, bad := range []string{strings.Repeat("x", 65), "a\x07b"} {
		_, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite, Name: bad})
		var invalid *fido.InvalidError
		require.ErrorAs(t, err, &invalid)
	}
	c, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite, Name: " blue ", UserAgent: "browser"})
	require.NoError(t, err)
	key := newForge(t, fido.EdDSA)
	credential, err := h.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) {
		d.outer = map[string]any{"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}}}
	}))
	require.NoError(t, err)
	require.Equal(t, []any{"blue", true, fido.StateActive, h.at, h.at}, []any{credential.Name, credential.Discoverable, credential.State, credential.Approved, credential.Created})
	require.Equal(t, credential.Name, mustCredential(t, h, key.id).Name)
	require.Contains(t, recorded(t, h.log, "credential.registered")[0], `"user_agent":"browser"`)
}

// A passkey made while the person signs in by other means needs no touch; any
// other registration does, and so does every sign-in.
func TestConditionalRegistration(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore(), func(c *fido.Config) { c.UserVerification = "preferred" })
	untouched := func(d *draft) { d.flags &^= up | uv }
	for conditional, want := range map[bool]bool{true: true, false: false} {
		key := newForge(t, fido.EdDSA)
		invite, err := h.Invite(t.Context(), ana, time.Hour)
		require.NoError(t, err)
		c, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite, Conditional: conditional})
		require.NoError(t, err)
		_, err = h.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, untouched))
		if !want {
			failsCheck(t, err, "user presence")
			continue
		}
		require.NoError(t, err)
		_, err = signIn(t, h.RelyingParty, ana, key, untouched)
		failsCheck(t, err, "user presence")
	}
}
