package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/sqlite"
)

const (
	signInRPID   = "login.example.com"
	signInOrigin = "https://login.example.com"
)

// signer answers sign-ins as a genuine ES256 key with a counter does.
type signer struct {
	key        *ecdsa.PrivateKey
	id, handle []byte
	count      uint32
}

func newSigner(b *testing.B, store fido.Store) *signer {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	s := &signer{key: key, id: make([]byte, 48), handle: make([]byte, 32)}
	_, _ = rand.Read(s.id)
	_, _ = rand.Read(s.handle)
	point, err := key.PublicKey.Bytes()
	require.NoError(b, err)
	cose := append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 32), point[33:]...)
	_, err = store.EnsureUser(b.Context(), "ana@example.com", fido.User{Handle: s.handle, Name: "ana@example.com"})
	require.NoError(b, err)
	require.NoError(b, store.AddCredential(b.Context(), fido.Credential{ID: s.id, UserHandle: s.handle, PublicKey: cose, Algorithm: fido.ES256, State: fido.StateActive}, fido.Addition{}))
	return s
}

// assertion is a response and the parts of which the floor is made.
type assertion struct {
	response, clientData, authData, sig []byte
}

func (s *signer) assert(b *testing.B, options json.RawMessage) (a assertion) {
	b.Helper()
	var o struct {
		Challenge string `json:"challenge"`
	}
	require.NoError(b, json.Unmarshal(options, &o))
	s.count++
	rp := sha256.Sum256([]byte(signInRPID))
	a.authData = binary.BigEndian.AppendUint32(append(rp[:], 0x05), s.count)
	a.clientData = []byte(`{"type":"webauthn.get","challenge":"` + o.Challenge + `","origin":"` + signInOrigin + `","crossOrigin":false}`)
	hash := sha256.Sum256(a.clientData)
	digest := sha256.Sum256(append(slices.Clone(a.authData), hash[:]...))
	var err error
	a.sig, err = s.key.Sign(rand.Reader, digest[:], nil)
	require.NoError(b, err)
	text := base64.RawURLEncoding.EncodeToString
	a.response, err = json.Marshal(map[string]any{
		"id": text(s.id), "rawId": text(s.id), "type": "public-key", "authenticatorAttachment": "cross-platform", "clientExtensionResults": map[string]any{},
		"response": map[string]any{
			"clientDataJSON": text(a.clientData), "authenticatorData": text(a.authData), "signature": text(a.sig), "userHandle": text(s.handle),
		},
	})
	require.NoError(b, err)
	return a
}

// floor is what no relying party can do without: two hashes and one signature,
// no JSON, no store, no checks. (The hash of what is signed is part of verifying.)
func (s *signer) floor(a assertion) bool {
	client, rp := sha256.Sum256(a.clientData), sha256.Sum256([]byte(signInRPID))
	var buf [128]byte
	digest := sha256.Sum256(append(append(buf[:0], a.authData...), client[:]...))
	return string(rp[:]) == string(a.authData[:32]) && ecdsa.VerifyASN1(&s.key.PublicKey, digest[:], a.sig)
}

func signInParty(b *testing.B, store fido.Store, log *audit.Log) *fido.RelyingParty {
	b.Helper()
	rp, err := fido.New(fido.Config{ID: signInRPID, Origins: []string{signInOrigin}, Audit: log, InsecureNoAudit: log == nil}, store)
	require.NoError(b, err)
	return rp
}

// benchmarkSignIn times FinishSignIn against the floor, one after the other in
// each round, so that a noisy machine disturbs both alike. The ratio is of the
// medians. Beginning and the key's own signature are not timed.
func benchmarkSignIn(b *testing.B, log *audit.Log) {
	store := fido.NewMemoryStore()
	rp, key := signInParty(b, store, log), newSigner(b, store)
	var ours, floors []time.Duration
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		c, err := rp.BeginSignIn(b.Context(), fido.SignInRequest{UserName: "ana@example.com"})
		require.NoError(b, err)
		a := key.assert(b, c.Options)
		floor := func() {
			start := time.Now()
			if !key.floor(a) {
				b.Fatal("the floor refused")
			}
			floors = append(floors, time.Since(start))
		}
		if n%2 == 0 { // each goes first in half of the rounds: the second finds warm caches
			floor()
		}
		b.StartTimer()
		start := time.Now()
		_, err = rp.FinishSignIn(b.Context(), c.ID, fido.PurposeSignIn, a.response)
		ours = append(ours, time.Since(start))
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		if n%2 == 1 {
			floor()
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(median(floors)), "floor-ns")
	b.ReportMetric(float64(median(ours)), "ours-ns")
	b.ReportMetric(float64(median(ours))/float64(median(floors)), "x/floor")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkSignIn verifies an ES256 sign-in from its JSON and takes its
// challenge from the store in memory. To reach: x/floor ≤ 1.20.
func BenchmarkSignIn(b *testing.B) {
	b.Run("no-audit", func(b *testing.B) { benchmarkSignIn(b, nil) })
	b.Run("audit-in-memory", func(b *testing.B) {
		note, _, _, err := audit.NewSigner("bench.example.com/audit")
		require.NoError(b, err)
		log := audit.NewMemory(note, audit.Options{})
		defer func() { require.NoError(b, log.Close()) }()
		benchmarkSignIn(b, log)
	})
}

// BenchmarkSignInSQLite begins and finishes sign-ins on SQLite: three durable
// transactions. The key's own signature is part of it.
func BenchmarkSignInSQLite(b *testing.B) {
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "keys.db"))
	require.NoError(b, err)
	defer func() { require.NoError(b, store.Close()) }()
	rp, key := signInParty(b, store, nil), newSigner(b, store)
	b.ReportAllocs()
	for b.Loop() {
		c, err := rp.BeginSignIn(b.Context(), fido.SignInRequest{UserName: "ana@example.com"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := rp.FinishSignIn(b.Context(), c.ID, fido.PurposeSignIn, key.assert(b, c.Options).response); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signins/s")
}
