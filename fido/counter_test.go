package fido_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

func TestSignCounter(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			rp := party(t, config(), store)
			count := func(n uint32) func(*draft) { return func(d *draft) { d.count = n } }
			for _, c := range []struct {
				name    string
				at, get uint32
				ok      bool
			}{
				{"up", 5, 6, true}, {"up by a lot", 5, 1<<32 - 1, true}, {"none at all", 0, 0, true}, {"begins to count", 0, 1, true},
				{"the same", 5, 5, false}, {"back", 5, 4, false}, {"stops counting", 5, 0, false},
			} {
				t.Run(c.name, func(t *testing.T) {
					key := newForge(t, fido.ES256)
					enrol(t, rp, ana, key, count(c.at))
					_, err := signIn(t, rp, ana, key, count(c.get))
					if c.ok {
						require.NoError(t, err)
						return
					}
					failsCheck(t, err, "sign count")
					require.ErrorIs(t, err, fido.ErrQuarantined)
					_, err = signIn(t, rp, ana, key, count(1<<31))
					require.ErrorIs(t, err, fido.ErrQuarantined, "a quarantine stays")
					_, err = signIn(t, rp, ana, newForge(t, fido.ES256), func(d *draft) { d.id = key.id })
					failsCheck(t, err, "signature") // only the holder learns of it
					stored, err := store.Credential(t.Context(), key.id)
					require.NoError(t, err)
					require.Contains(t, stored.StateReason, "sign count went from 5 to ")
					require.Equal(t, uint32(5), stored.SignCount)
				})
			}
			t.Run("allowed", func(t *testing.T) {
				cfg := config()
				cfg.CounterPolicy = fido.InsecureCounterAllow
				rp := party(t, cfg, store)
				key := newForge(t, fido.ES256)
				enrol(t, rp, ana, key, count(5))
				_, err := signIn(t, rp, ana, key, count(4))
				require.NoError(t, err)
				stored, err := store.Credential(t.Context(), key.id)
				require.NoError(t, err)
				require.Equal(t, uint32(5), stored.SignCount, "the higher one is remembered")
			})
		})
	}
}

// meanwhile lets something happen between the reading of a credential and its
// update.
type meanwhile struct {
	fido.Store
	once sync.Once
	do   func()
}

func (s *meanwhile) UpdateCredential(ctx context.Context, c fido.Credential) error {
	s.once.Do(s.do)
	return s.Store.UpdateCredential(ctx, c)
}

// TestCounterRace lets another sign-in with the same key win between two steps
// of one.
func TestCounterRace(t *testing.T) {
	for _, c := range []struct {
		name        string
		mine, other uint32
		want        string
	}{
		{"the other is ahead", 6, 7, "sign count"},
		{"the other is behind", 7, 6, ""},
		{"both say the same: two copies of one key", 6, 6, "sign count"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := fido.NewMemoryStore()
			plain := party(t, config(), memory)
			key := newForge(t, fido.ES256)
			enrol(t, plain, ana, key, func(d *draft) { d.count = 5 })
			store := &meanwhile{Store: memory}
			store.do = func() {
				_, err := signIn(t, plain, ana, key, func(d *draft) { d.count = c.other })
				require.NoError(t, err)
			}
			_, err := signIn(t, party(t, config(), store), ana, key, func(d *draft) { d.count = c.mine })
			stored, readErr := memory.Credential(t.Context(), key.id)
			require.NoError(t, readErr)
			require.Equal(t, max(c.mine*b2u(err == nil), c.other), stored.SignCount)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			failsCheck(t, err, c.want)
			require.NotErrorIs(t, err, fido.ErrQuarantined, "who was slower is not a clone")
			require.Empty(t, stored.StateReason)
		})
	}
	t.Run("quarantined meanwhile", func(t *testing.T) {
		memory := fido.NewMemoryStore()
		plain := party(t, config(), memory)
		key := newForge(t, fido.ES256)
		enrol(t, plain, ana, key, func(d *draft) { d.count = 5 })
		store := &meanwhile{Store: memory, do: func() {
			_, err := signIn(t, plain, ana, key, func(d *draft) { d.count = 1 })
			require.ErrorIs(t, err, fido.ErrQuarantined)
		}}
		_, err := signIn(t, party(t, config(), store), ana, key, func(d *draft) { d.count = 6 })
		require.ErrorIs(t, err, fido.ErrQuarantined)
	})
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// TestSignInsWithoutCounterDoNotDisturbEachOther: passkeys that are synced count
// nothing, and their holders have several devices.
func TestSignInsWithoutCounterDoNotDisturbEachOther(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			rp := party(t, config(), store)
			key := newForge(t, fido.EdDSA)
			enrol(t, rp, ana, key)
			var wg sync.WaitGroup
			errs := make([]error, 4)
			for i := range errs {
				wg.Go(func() {
					c, err := rp.BeginSignIn(t.Context(), fido.SignInRequest{UserName: ana})
					if err == nil {
						_, err = rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, key.assert(t, c.Options))
					}
					errs[i] = err
				})
			}
			wg.Wait()
			for _, err := range errs {
				require.NoError(t, err)
			}
			stored, err := store.Credential(t.Context(), key.id)
			require.NoError(t, err)
			require.Equal(t, uint64(1+len(errs)), stored.Revision)
			require.WithinDuration(t, time.Now(), stored.LastUsed, time.Hour)
		})
	}
}
