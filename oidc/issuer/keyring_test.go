package issuer_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/issuer"
)

const day = 24 * time.Hour

// opaque is a key that signs and cannot be looked into, as in a KMS.
type opaque struct{ crypto.Signer }

func newOpaque(t testing.TB) opaque {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return opaque{k}
}

// clocked is a clock that a test sets, read by several replicas.
type clocked struct{ nanos atomic.Int64 }

func newClocked() *clocked {
	c := &clocked{}
	c.nanos.Store(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC).UnixNano())
	return c
}
func (c *clocked) now() time.Time       { return time.Unix(0, c.nanos.Load()) }
func (c *clocked) pass(d time.Duration) { c.nanos.Add(int64(d)) }

func keyring(t testing.TB, s issuer.Store, cfg issuer.KeyConfig, now func() time.Time) *issuer.Keyring {
	t.Helper()
	r, err := issuer.OpenKeyring(s, cfg, now)
	require.NoError(t, err)
	return r
}

func statuses(t testing.TB, r *issuer.Keyring) (all []issuer.KeyStatus) {
	t.Helper()
	keys, err := r.List(t.Context())
	require.NoError(t, err)
	for _, k := range keys {
		all = append(all, k.Status)
	}
	return all
}

// TestNoValidTokenFails runs three replicas, whose clocks differ, through thirty
// rotations. Relying parties keep a key set for a day and never look earlier, not
// even for a kid that they do not know; still none ever misses the key of a token
// that has not expired.
func TestNoValidTokenFails(t *testing.T) {
	t.Parallel()
	type token struct {
		kid     string
		expires time.Time
	}
	type party struct {
		kids    []string
		fetched time.Time
	}
	random := mathrand.New(mathrand.NewPCG(1, 2))
	clock, store := newClocked(), issuer.NewMemoryStore()
	var replicas []*issuer.Keyring
	for _, skew := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
		replicas = append(replicas, keyring(t, store, issuer.KeyConfig{Lifetime: 4 * day}, func() time.Time { return clock.now().Add(skew) }))
	}
	any := func() *issuer.Keyring { return replicas[random.IntN(len(replicas))] }
	parties := make([]party, 3)
	var tokens []token
	signers := map[string]bool{}
	end := clock.now().Add(120 * day)
	for clock.now().Before(end) {
		kid, err := any().Sign(t.Context())
		require.NoError(t, err)
		signers[kid] = true
		tokens = append(tokens, token{kid, clock.now().Add(time.Hour + time.Minute)}) // and a relying party's leeway
		tokens = slices.DeleteFunc(tokens, func(k token) bool { return clock.now().After(k.expires) })
		for n := range parties {
			p := &parties[n]
			if clock.now().Sub(p.fetched) >= day {
				p.kids, err = any().Published(t.Context())
				require.NoError(t, err)
				p.fetched = clock.now()
			}
			for _, k := range tokens {
				require.True(t, slices.Contains(p.kids, k.kid), "the key %s is unknown at %v", k.kid, clock.now())
			}
		}
		step := time.Duration(random.Int64N(int64(40 * time.Minute)))
		if random.IntN(2000) == 0 {
			step = 10 * day // nobody signs in over the holidays
		}
		clock.pass(step)
	}
	require.Greater(t, len(signers), 20)
	held, err := store.Keys(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, len(held), len(signers)+1, "keys that never signed")
}

// A revoked key is out at once here, and within five seconds elsewhere; the one that
// waited, and that caches know, signs; what the other has signed is refused.
func TestRevokedKey(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, inStore(open(t)))
			replica, err := issuer.New(t.Context(), issuer.Config{URL: baseURL, Clients: []issuer.Client{{ID: clientID, Audiences: []string{audience}}}, Audit: p.log, Now: p.now}, p.rp, p.store.Store)
			require.NoError(t, err)
			a := newPerson(t, p).signIn(t)
			_, _, err = replica.OwnToken(a.text("id_token"), "JWT")
			require.NoError(t, err)
			known := kids(t, replica)
			require.Len(t, known, 2)

			require.NoError(t, p.Keyring().Revoke(t.Context(), known[0], "its backup was stolen"))
			require.NoError(t, p.Keyring().Revoke(t.Context(), known[0], "again"))
			require.ErrorIs(t, p.Keyring().Revoke(t.Context(), "another", "why"), issuer.ErrNotFound)
			require.Equal(t, []issuer.KeyStatus{issuer.KeyRevoked, issuer.KeySigning}, statuses(t, p.Keyring()))
			p.pass(time.Second)
			for _, i := range []*issuer.Issuer{p.Issuer, replica} {
				now := kids(t, i)
				require.Len(t, now, 2)
				require.Equal(t, known[1], now[0], "the one that caches know")
				_, _, err = i.OwnToken(a.text("id_token"), "JWT")
				require.Error(t, err)
				kid, err := i.Keyring().Sign(t.Context())
				require.NoError(t, err)
				require.Equal(t, known[1], kid)
			}
			// The session outlives the key: the refresh token is not signed with it.
			c := newPerson(t, p)
			c.refresh(t, c.signIn(t).text("refresh_token"))

			held, err := p.store.Keys(t.Context())
			require.NoError(t, err)
			require.True(t, held[0].PKCS8.IsZero(), "the private half is forgotten")
			require.ErrorIs(t, p.store.AddKey(t.Context(), held[0], held[len(held)-1].ID), issuer.ErrTaken)
			require.Equal(t, []string{"issuer.key.add", "issuer.key.add", "issuer.key.revoke", "issuer.key.add"}, keyEvents(t, p))
		})
	}
}

func kids(t testing.TB, h http.Handler) (ids []string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, baseURL+"/jwks", nil))
	require.Equal(t, http.StatusOK, w.Code)
	var set struct{ Keys []map[string]string }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
	for _, k := range set.Keys {
		require.NotContains(t, k, "d")
		ids = append(ids, k["kid"])
	}
	return ids
}

func keyEvents(t testing.TB, p *provider) (types []string) {
	t.Helper()
	for _, r := range p.everyRecord(t) {
		if ofKey(r) {
			types = append(types, r["event"].(map[string]any)["type"].(string))
		}
	}
	return types
}

// Both keys at once: another one signs, without delay.
func TestEveryKeyRevoked(t *testing.T) {
	clock, store := newClocked(), issuer.NewMemoryStore()
	r := keyring(t, store, issuer.KeyConfig{}, clock.now)
	_, err := r.Sign(t.Context())
	require.NoError(t, err)
	old, err := r.Published(t.Context())
	require.NoError(t, err)
	for _, id := range old {
		require.NoError(t, r.Revoke(t.Context(), id, "why"))
	}
	kid, err := r.Sign(t.Context())
	require.NoError(t, err)
	require.NotContains(t, old, kid)
	require.Equal(t, []issuer.KeyStatus{issuer.KeyRevoked, issuer.KeyRevoked, issuer.KeySigning, issuer.KeyNext}, statuses(t, r))
}

// A rotation that somebody asks for is as quiet as one that is due.
func TestRotate(t *testing.T) {
	clock, store := newClocked(), issuer.NewMemoryStore()
	r := keyring(t, store, issuer.KeyConfig{}, clock.now)
	first, err := r.Sign(t.Context())
	require.NoError(t, err)
	next, err := r.Rotate(t.Context())
	require.NoError(t, err)
	require.Equal(t, issuer.KeyNext, next.Status)
	for range 47 {
		clock.pass(time.Hour)
		kid, err := r.Sign(t.Context())
		require.NoError(t, err)
		require.Equal(t, first, kid)
		ids, err := r.Published(t.Context())
		require.NoError(t, err)
		require.Contains(t, ids, next.ID)
	}
	clock.pass(time.Hour)
	kid, err := r.Sign(t.Context())
	require.NoError(t, err)
	require.Equal(t, next.ID, kid)
	require.Equal(t, issuer.KeyRetiring, statuses(t, r)[0])
	clock.pass(time.Hour + 10*time.Minute)
	require.Equal(t, issuer.KeyRetired, statuses(t, r)[0])
}

// Another algorithm comes with a key that has been published for two days.
func TestAlgorithmChanges(t *testing.T) {
	clock, store := newClocked(), issuer.NewMemoryStore()
	_, err := keyring(t, store, issuer.KeyConfig{}, clock.now).Sign(t.Context())
	require.NoError(t, err)
	r := keyring(t, store, issuer.KeyConfig{Algorithm: "RS256"}, clock.now)
	before, err := r.Sign(t.Context())
	require.NoError(t, err)
	_, err = r.Rotate(t.Context())
	require.NoError(t, err)
	clock.pass(2 * day)
	after, err := r.Sign(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, before, after)
	keys, err := r.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ES256", keys[0].Algorithm)
	require.Equal(t, "RS256", keys[2].Algorithm)

	p := newProvider(t, func(_ *provider, cfg *issuer.Config) { cfg.Keys.Algorithm = "RS256" })
	token := newPerson(t, p).signIn(t).text("id_token")
	header, _ := decode(t, token)
	require.Equal(t, "RS256", header["alg"])
	_, _, err = p.OwnToken(token, "JWT")
	require.NoError(t, err)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, baseURL+"/.well-known/openid-configuration", nil))
	require.Contains(t, w.Body.String(), `"id_token_signing_alg_values_supported":["RS256"]`)
}

// Keys elsewhere, such as in a KMS, sign in their order, each published two days
// before; the store knows their public halves only.
func TestKeysElsewhere(t *testing.T) {
	clock, store := newClocked(), issuer.NewMemoryStore()
	local, err := keyring(t, store, issuer.KeyConfig{}, clock.now).Sign(t.Context())
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	one, two := newOpaque(t), opaque{rsaKey}
	moved := keyring(t, store, issuer.KeyConfig{Signers: []crypto.Signer{one}}, clock.now)
	kid, err := moved.Sign(t.Context())
	require.NoError(t, err)
	require.Equal(t, local, kid, "nobody knows the other one yet")
	_, err = moved.Rotate(t.Context())
	require.ErrorContains(t, err, "KeyConfig.Signers")
	clock.pass(2 * day)
	first, err := moved.Sign(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, local, first)

	both := keyring(t, store, issuer.KeyConfig{Signers: []crypto.Signer{one, two}}, clock.now)
	kid, err = both.Sign(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, kid)
	clock.pass(2 * day)
	second, err := both.Sign(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	keys, err := both.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "RS256", keys[len(keys)-1].Algorithm)
	require.True(t, keys[len(keys)-1].Elsewhere)

	_, err = moved.Sign(t.Context())
	require.ErrorContains(t, err, "add it to KeyConfig.Signers", "who does not have the key cannot sign")
	require.NoError(t, both.Revoke(t.Context(), second, "why"))
	_, err = both.Sign(t.Context())
	require.ErrorContains(t, err, "no signing key is left")
}

// wrongSigner makes signatures that are none.
type wrongSigner struct {
	opaque
	sig []byte
}

func (w wrongSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return w.sig, nil }

func TestSignerThatSignsWrongly(t *testing.T) {
	for _, sig := range [][]byte{nil, {0x30, 0}, make([]byte, 64), append([]byte{0x30, 0x26, 2, 1, 1, 2, 33, 1}, make([]byte, 32)...), {0x30, 6, 2, 1, 0, 2, 1, 1}, {0x30, 6, 2, 1, 1, 2, 1, 1, 0}} {
		r := keyring(t, issuer.NewMemoryStore(), issuer.KeyConfig{Signers: []crypto.Signer{wrongSigner{newOpaque(t), sig}}}, nil)
		_, err := r.Sign(t.Context())
		require.ErrorContains(t, err, "signing: the signature is", "%x", sig)
	}
}

// outOfTouch is a store that does not answer now and then.
type outOfTouch struct {
	issuer.Store
	down  atomic.Bool
	asked atomic.Int64
}

func (s *outOfTouch) Keys(ctx context.Context) ([]issuer.Key, error) {
	s.asked.Add(1)
	if s.down.Load() {
		return nil, errors.New("no answer")
	}
	return s.Store.Keys(ctx)
}

// A replica that cannot ask the store signs nothing and recognizes nothing after
// five seconds: a key may have been revoked. What is out stays verifiable.
func TestOutOfTouch(t *testing.T) {
	clock, store := newClocked(), &outOfTouch{Store: issuer.NewMemoryStore()}
	r := keyring(t, store, issuer.KeyConfig{}, clock.now)
	_, err := r.Sign(t.Context())
	require.NoError(t, err)
	known, err := r.Published(t.Context())
	require.NoError(t, err)
	store.down.Store(true)
	clock.pass(4 * time.Second)
	_, err = r.Sign(t.Context())
	require.NoError(t, err)
	clock.pass(time.Second)
	before := store.asked.Load()
	for range 100 {
		_, err = r.Sign(t.Context())
		require.ErrorContains(t, err, "no answer")
	}
	require.LessOrEqual(t, store.asked.Load()-before, int64(1), "a store that fails is not hammered")
	still, err := r.Published(t.Context())
	require.NoError(t, err)
	require.Equal(t, known, still)
	store.down.Store(false)
	clock.pass(time.Second)
	_, err = r.Sign(t.Context())
	require.NoError(t, err)
	clock.pass(-day) // a clock that is set back proves nothing
	store.down.Store(true)
	_, err = r.Sign(t.Context())
	require.Error(t, err)
}

// Replicas that start together have the same two keys.
func TestReplicasThatStartTogether(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			var wg sync.WaitGroup
			var mu sync.Mutex
			signers := map[string]bool{}
			for range 16 {
				wg.Go(func() {
					r, err := issuer.OpenKeyring(store, issuer.KeyConfig{}, nil)
					if err == nil {
						var kid string
						kid, err = r.Sign(t.Context())
						mu.Lock()
						defer mu.Unlock()
						signers[kid] = true
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Len(t, signers, 1)
			keys, err := store.Keys(t.Context())
			require.NoError(t, err)
			require.Len(t, keys, 2)
		})
	}
}
