package fido_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/internal/secret"
)

func TestRegistrationAndSignIn(t *testing.T) {
	for name, store := range stores(t) {
		for _, alg := range []fido.Algorithm{fido.ES256, fido.EdDSA, fido.RS256} {
			t.Run(name+"/"+alg.String(), func(t *testing.T) {
				at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
				cfg := config()
				cfg.Now = func() time.Time { return at }
				rp := party(t, cfg, store)
				key := newForge(t, alg)
				key.aaguid, key.count, key.flags = [16]byte{5}, 7, up|uv|be
				c := enrol(t, rp, "Ana+"+alg.String()+"@example.com", key, func(d *draft) { d.statement = packedSelf(t, key) })
				require.Equal(t, key.id, c.ID)
				require.Equal(t, alg, c.Algorithm)
				require.Equal(t, keypolicy.Self, c.Evidence.Verdict)
				require.Equal(t, []string{"nfc", "usb"}, c.Transports)
				require.Equal(t, uint32(7), c.SignCount)
				require.Equal(t, at, c.Created)

				proof, err := signIn(t, rp, "ana+"+alg.String()+"@EXAMPLE.com", key, func(d *draft) { d.flags |= bs })
				require.NoError(t, err, "names are compared as people do")
				require.Equal(t, &fido.Proof{
					User: fido.User{Handle: key.handle, Name: "Ana+" + alg.String() + "@example.com", DisplayName: "Ana+" + alg.String() + "@example.com", Created: at, Revision: 1}, CredentialID: key.id,
					Purpose: fido.PurposeSignIn, At: at, Origin: "https://login.example.com", Algorithm: alg, SignCount: 8, Evidence: c.Evidence,
					UserPresent: true, UserVerified: true, BackupEligible: true, BackupState: true,
				}, proof)
				stored, err := store.Credential(t.Context(), key.id)
				require.NoError(t, err)
				require.Equal(t, uint32(8), stored.SignCount)
				require.True(t, stored.BackupState)
				require.True(t, stored.LastUsed.Equal(at))
			})
		}
	}
}

func TestCeremonyServesItsPurposeOnceInTime(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			cfg := config()
			cfg.Now = func() time.Time { return now }
			rp := party(t, cfg, store)
			key := newForge(t, fido.ES256)
			enrol(t, rp, ana, key)
			gone := func(id secret.Value, purpose fido.Purpose, response []byte) {
				t.Helper()
				_, err := rp.FinishSignIn(t.Context(), id, purpose, response)
				require.ErrorIs(t, err, fido.ErrCeremonyNotFound)
			}

			c := beginSignIn(t, rp, ana)
			response := key.assert(t, c.Options)
			_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, response)
			require.NoError(t, err)
			gone(c.ID, fido.PurposeSignIn, response) // replayed

			c = beginSignIn(t, rp, ana)
			gone(secret.New("guessed"), fido.PurposeSignIn, key.assert(t, c.Options))
			gone(c.ID, fido.PurposeStepUp, key.assert(t, c.Options)) // purpose mixed
			gone(c.ID, fido.PurposeSignIn, key.assert(t, c.Options)) // and burned by that

			stepUp, err := rp.BeginSignIn(t.Context(), fido.SignInRequest{Purpose: fido.PurposeStepUp, UserName: ana})
			require.NoError(t, err)
			gone(stepUp.ID, fido.PurposeSignIn, key.assert(t, stepUp.Options))

			c = beginSignIn(t, rp, ana)
			require.Equal(t, now.Add(5*time.Minute), c.Expires)
			now = now.Add(5 * time.Minute)
			gone(c.ID, fido.PurposeSignIn, key.assert(t, c.Options)) // expired

			// A response to one ceremony is worth nothing in another.
			first, second := beginSignIn(t, rp, ana), beginSignIn(t, rp, ana)
			_, err = rp.FinishSignIn(t.Context(), second.ID, fido.PurposeSignIn, key.assert(t, first.Options))
			failsCheck(t, err, "challenge")

			// Registration and sign-in do not mix either.
			c = beginSignIn(t, rp, ana)
			_, err = rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			require.ErrorIs(t, err, fido.ErrCeremonyNotFound)
			_, c = beginRegistration(t, rp, ana)
			_, err = rp.FinishSignIn(t.Context(), c.ID, fido.PurposeRegistration, nil)
			require.Error(t, err)
			gone(c.ID, fido.PurposeSignIn, key.assert(t, c.Options))

			proof, err := rp.BeginSignIn(t.Context(), fido.SignInRequest{Purpose: "other"})
			require.Error(t, err)
			require.Nil(t, proof)
			_, err = rp.BeginSignIn(t.Context(), fido.SignInRequest{Purpose: fido.PurposeStepUp})
			require.Error(t, err, "a step-up names the person")
		})
	}
}

func TestInvitations(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			cfg := config()
			cfg.Now = func() time.Time { return now }
			rp := party(t, cfg, store)
			key, second := newForge(t, fido.ES256), newForge(t, fido.ES256)

			invite, c := beginRegistration(t, rp, ana)
			twin, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
			require.NoError(t, err)
			_, err = rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			require.NoError(t, err)
			_, err = rp.FinishRegistration(t.Context(), twin.ID, second.register(t, twin.Options))
			require.ErrorIs(t, err, fido.ErrInviteInvalid, "used meanwhile")
			_, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
			require.ErrorIs(t, err, fido.ErrInviteInvalid)
			_, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: secret.New("guessed")})
			require.ErrorIs(t, err, fido.ErrInviteInvalid)

			invite, c = beginRegistration(t, rp, ana)
			var options struct {
				User struct {
					ID bytes64 `json:"id"`
				} `json:"user"`
				ExcludeCredentials []struct {
					ID bytes64 `json:"id"`
				} `json:"excludeCredentials"`
			}
			require.NoError(t, json.Unmarshal(c.Options, &options))
			require.Len(t, options.ExcludeCredentials, 1)
			require.Equal(t, key.id, []byte(options.ExcludeCredentials[0].ID))
			require.Equal(t, key.handle, []byte(options.User.ID), "an invitation of somebody known makes nobody new")

			_, err = rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			require.ErrorIs(t, err, fido.ErrCredentialExists)
			_, c = beginRegistration(t, rp, ben)
			_, err = rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			require.ErrorIs(t, err, fido.ErrCredentialExists, "a key belongs to one person for ever")

			c, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
			require.NoError(t, err)
			now = now.Add(time.Hour)
			_, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
			require.ErrorIs(t, err, fido.ErrInviteInvalid, "expired")
			_, err = rp.FinishRegistration(t.Context(), c.ID, second.register(t, c.Options))
			require.ErrorIs(t, err, fido.ErrCeremonyNotFound)

			short, err := rp.Invite(t.Context(), ana, time.Minute)
			require.NoError(t, err)
			c, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: short})
			require.NoError(t, err)
			now = now.Add(time.Minute)
			_, err = rp.FinishRegistration(t.Context(), c.ID, second.register(t, c.Options))
			require.ErrorIs(t, err, fido.ErrInviteInvalid, "expired during the ceremony")

			c, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{UserHandle: key.handle}) // signed in: no invitation needed
			if err == nil {
				_, err = rp.FinishRegistration(t.Context(), c.ID, second.register(t, c.Options))
			}
			require.NoError(t, err)
			_, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{UserHandle: []byte("nobody")})
			require.ErrorIs(t, err, fido.ErrNotFound)
			_, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{})
			require.Error(t, err)
		})
	}
	rp := party(t, config(), fido.NewMemoryStore())
	for _, bad := range []string{"", "a b@example.com", "a\x00@example.com", string(make([]byte, 300)), "\xff"} {
		_, err := rp.Invite(t.Context(), bad, time.Hour)
		require.Error(t, err, "%q", bad)
	}
	for _, ttl := range []time.Duration{0, -1, 31 * 24 * time.Hour} {
		_, err := rp.Invite(t.Context(), ana, ttl)
		require.Error(t, err)
	}
}

// TestOneFinishWins races 64 finishes of one ceremony, a thousand times.
func TestOneFinishWins(t *testing.T) {
	t.Parallel()
	rounds := 1000
	if testing.Short() {
		rounds = 20
	}
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			rp := party(t, config(), store)
			key := newForge(t, fido.EdDSA)
			enrol(t, rp, ana, key)
			for range rounds {
				c := beginSignIn(t, rp, ana)
				response := key.assert(t, c.Options)
				raceFinish(t, 64, func() error {
					_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, response)
					return err
				}, fido.ErrCeremonyNotFound)
			}
		})
	}
}

// TestOneRegistrationWins races finishes of one ceremony, and of many ceremonies
// that share one invitation.
func TestOneRegistrationWins(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			rp := party(t, config(), store)
			for range 20 {
				key := newForge(t, fido.EdDSA)
				_, c := beginRegistration(t, rp, ana)
				response := key.register(t, c.Options)
				raceFinish(t, 64, func() error {
					_, err := rp.FinishRegistration(t.Context(), c.ID, response)
					return err
				}, fido.ErrCeremonyNotFound)

				invite, _ := beginRegistration(t, rp, ana)
				raceFinish(t, 8, func() error {
					c, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
					if err != nil {
						return err
					}
					_, err = rp.FinishRegistration(t.Context(), c.ID, newForge(t, fido.EdDSA).register(t, c.Options))
					return err
				}, fido.ErrInviteInvalid)
			}
		})
	}
}

// raceFinish runs finish n times at once. One call must succeed, the others fail
// with lost.
func raceFinish(t *testing.T, n int, finish func() error, lost error) {
	t.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { <-start; errs[i] = finish() })
	}
	close(start)
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, lost)
	}
	require.Equal(t, 1, won)
}

// failingStore fails where a test says so.
type failingStore struct {
	fido.Store
	take error
}

func (s *failingStore) TakeCeremony(ctx context.Context, id fido.Hash) (fido.CeremonyRecord, error) {
	if s.take != nil {
		return fido.CeremonyRecord{}, s.take
	}
	return s.Store.TakeCeremony(ctx, id)
}

func TestStoreFailureIsNotAVerdict(t *testing.T) {
	store := &failingStore{Store: fido.NewMemoryStore()}
	rp := party(t, config(), store)
	key := newForge(t, fido.ES256)
	enrol(t, rp, ana, key)
	store.take = errors.New("the disk is on fire")
	_, err := signIn(t, rp, ana, key)
	require.ErrorIs(t, err, store.take)
	require.NotErrorIs(t, err, fido.ErrCeremonyNotFound)
}
