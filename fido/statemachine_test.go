package fido_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

// modelKey is what a test remembers of a key: what it is now, and from when to
// when its owner held it.
type modelKey struct {
	forge    *forge
	owner    string
	state    fido.State
	approved time.Time
	revoked  time.Time
	count    uint32
}

// model says what a relying party must answer. It keeps every moment at which
// something changed, with who held what then.
type model struct {
	*house
	t       *testing.T
	rand    *rand.Rand
	keys    []*modelKey
	blocked map[string]bool
	history map[time.Time]map[string]string // credential ID to owner
}

var people = []string{ana, ben, "cleo@example.com"}

// usable is what the sign-in of a key must come to.
func (m *model) usable(k *modelKey) error {
	if m.blocked[k.owner] {
		return fido.ErrBlocked
	}
	return map[fido.State]error{fido.StatePending: fido.ErrPending, fido.StateQuarantined: fido.ErrQuarantined, fido.StateRevoked: fido.ErrRevoked}[k.state]
}

func (m *model) key() *modelKey { return m.keys[m.rand.IntN(len(m.keys))] }

func (m *model) register() {
	owner := people[m.rand.IntN(len(people))]
	k := &modelKey{forge: newForge(m.t, fido.EdDSA), owner: owner, state: fido.StateActive, approved: m.at}
	invite, err := m.Invite(m.t.Context(), owner, time.Hour)
	require.NoError(m.t, err)
	c, err := m.BeginRegistration(m.t.Context(), fido.RegistrationRequest{Invite: invite})
	if m.blocked[owner] {
		require.ErrorIs(m.t, err, fido.ErrBlocked)
		return
	}
	require.NoError(m.t, err)
	_, err = m.FinishRegistration(m.t.Context(), c.ID, k.forge.register(m.t, c.Options))
	require.NoError(m.t, err)
	if m.rand.IntN(3) == 0 {
		m.pend(m.t, k.forge.id)
		k.state, k.approved = fido.StatePending, time.Time{}
	}
	m.keys = append(m.keys, k)
}

func (m *model) signIn() {
	k := m.key()
	back := m.rand.IntN(8) == 0 && k.count > 0
	count := k.count + 1
	if back {
		count = k.count
	}
	proof, err := signIn(m.t, m.RelyingParty, "", k.forge, func(d *draft) { d.count = count })
	want := m.usable(k)
	if want == nil && back {
		want, k.state = fido.ErrQuarantined, fido.StateQuarantined
	}
	if want != nil {
		require.ErrorIs(m.t, err, want)
		require.Nil(m.t, proof)
		return
	}
	require.NoError(m.t, err)
	require.Equal(m.t, k.owner, proof.User.Name)
	k.count = count
}

// decide applies a verb to a key, as somebody.
func (m *model) decide() {
	k := m.key()
	by := fido.Act{By: append(people, "eve@example.com")[m.rand.IntN(len(people)+1)], Rationale: "because"}
	own := by.By == k.owner
	verbs := []struct {
		do     act
		from   []fido.State
		to     fido.State
		others bool
	}{
		{m.Approve, []fido.State{fido.StatePending}, fido.StateActive, true},
		{m.Deny, []fido.State{fido.StatePending}, fido.StateRevoked, false},
		{m.Quarantine, []fido.State{fido.StatePending, fido.StateActive}, fido.StateQuarantined, false},
		{m.Release, []fido.State{fido.StateQuarantined}, fido.StateActive, true},
		{m.Revoke, []fido.State{fido.StatePending, fido.StateActive, fido.StateQuarantined}, fido.StateRevoked, false},
		{m.ReportLost, []fido.State{fido.StatePending, fido.StateActive, fido.StateQuarantined}, fido.StateRevoked, false},
	}
	v := verbs[m.rand.IntN(len(verbs))]
	_, err := v.do(m.t.Context(), k.forge.id, by)
	switch {
	case v.others && own:
		require.ErrorIs(m.t, err, fido.ErrOwnApproval)
		return
	case k.state == fido.StateRevoked:
		require.ErrorIs(m.t, err, fido.ErrRevoked)
		return
	case !slices.Contains(v.from, k.state):
		require.ErrorIs(m.t, err, fido.ErrConflict)
		return
	}
	require.NoError(m.t, err)
	was := k.state
	k.state = v.to
	switch {
	case v.to == fido.StateRevoked:
		k.revoked = m.at
	case was == fido.StatePending && v.to == fido.StateActive:
		k.approved = m.at
	case was == fido.StateQuarantined && k.approved.IsZero():
		k.state = fido.StatePending
	}
}

func (m *model) block() {
	name := people[m.rand.IntN(len(people))]
	u, err := m.UserByName(m.t.Context(), name)
	if errors.Is(err, fido.ErrNotFound) {
		return
	}
	require.NoError(m.t, err)
	if m.rand.IntN(2) == 0 {
		_, err = m.Block(m.t.Context(), u.Handle, eve)
		require.Equal(m.t, m.blocked[name], errors.Is(err, fido.ErrConflict), "%v", err)
		m.blocked[name] = true
	} else {
		_, err = m.Unblock(m.t.Context(), u.Handle, eve)
		require.Equal(m.t, !m.blocked[name], errors.Is(err, fido.ErrConflict), "%v", err)
		m.blocked[name] = false
	}
}

// check compares everything that can be asked with the model.
func (m *model) check() {
	held := map[string]string{}
	for _, k := range m.keys {
		c := mustCredential(m.t, m.house, k.forge.id)
		require.Equal(m.t, k.state, c.State)
		require.Equal(m.t, k.count, c.SignCount)
		require.Equal(m.t, k.state == fido.StateRevoked, !c.Revoked.IsZero())
		err := m.Active(m.t.Context(), k.forge.id, true)
		require.ErrorIs(m.t, err, m.usable(k))
		if !k.approved.IsZero() && k.revoked.IsZero() {
			held[string(k.forge.id)] = k.owner
		}
	}
	m.history[m.at] = held
}

// remember asks about every moment of the past.
func (m *model) remember() {
	owners := map[string]string{}
	for _, name := range people {
		if u, err := m.UserByName(m.t.Context(), name); err == nil {
			owners[string(u.Handle)] = name
		}
	}
	for at, want := range m.history {
		got := map[string]string{}
		for c, err := range m.HeldAt(m.t.Context(), at) {
			require.NoError(m.t, err)
			got[string(c.ID)] = owners[string(c.UserHandle)]
		}
		require.Equal(m.t, want, got, "who held which key at %v", at)
	}
}

// Random lives of keys and people, against a model. Whatever happens: revoked is
// final, a pending key and those of somebody who is blocked never sign in, and
// what is said about the past is what was so then.
func TestLivesOfKeys(t *testing.T) {
	t.Parallel()
	for name, runs := range map[string]int{"memory": 150, "sqlite": 10, "postgres": 10} {
		if testing.Short() {
			runs = max(1, runs/10)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range runs {
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
					m := &model{
						house: newHouse(t, newStore(t, name)), t: t, rand: rand.New(rand.NewPCG(uint64(seed), 5)),
						blocked: map[string]bool{}, history: map[time.Time]map[string]string{},
					}
					m.register()
					for range 80 {
						m.at = m.at.Add(time.Duration(1+m.rand.IntN(1000)) * time.Millisecond)
						switch n := m.rand.IntN(10); {
						case n < 2:
							m.register()
						case n < 5:
							m.signIn()
						case n < 9:
							m.decide()
						default:
							m.block()
						}
						m.check()
					}
					m.remember()
				})
			}
		})
	}
}
