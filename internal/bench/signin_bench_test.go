package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
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
	cose       []byte
	count      uint32
}

func newSigner(b *testing.B, store fido.Store) *signer {
	b.Helper()
	return newAttestedSigner(b, store, keypolicy.Evidence{})
}

// newAttestedSigner makes a key of which something is known.
func newAttestedSigner(b *testing.B, store fido.Store, known keypolicy.Evidence) *signer {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	s := &signer{key: key, id: make([]byte, 48), handle: make([]byte, 32)}
	_, _ = rand.Read(s.id)
	_, _ = rand.Read(s.handle)
	point, err := key.PublicKey.Bytes()
	require.NoError(b, err)
	s.cose = append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33]...)
	s.cose = append(append(s.cose, 0x22, 0x58, 32), point[33:]...)
	_, err = store.EnsureUser(b.Context(), "ana@example.com", fido.User{Handle: s.handle, Name: "ana@example.com"})
	require.NoError(b, err)
	require.NoError(b, store.AddCredential(b.Context(), fido.Credential{ID: s.id, UserHandle: s.handle, PublicKey: s.cose, Algorithm: fido.ES256, Evidence: known, UserVerified: true, State: fido.StateActive}, fido.Addition{}))
	return s
}

// assertion is a response and the parts of which the floor is made.
type assertion struct {
	response, clientData, authData, sig []byte
	challenge                           string
}

func (s *signer) assert(b *testing.B, options json.RawMessage) (a assertion) {
	b.Helper()
	var o struct {
		Challenge string `json:"challenge"`
	}
	require.NoError(b, json.Unmarshal(options, &o))
	a.challenge = o.Challenge
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

// alone is go-webauthn by itself, with a key that is in memory: no ceremony is
// taken, nothing is asked of a store, and nothing is recorded.
type alone struct {
	w *webauthn.WebAuthn
	s *signer
}

func newAlone(b *testing.B, s *signer) alone {
	b.Helper()
	w, err := webauthn.New(&webauthn.Config{RPID: signInRPID, RPDisplayName: signInRPID, RPOrigins: []string{signInOrigin}})
	require.NoError(b, err)
	return alone{w, s}
}

func (a alone) WebAuthnID() []byte          { return a.s.handle }
func (a alone) WebAuthnName() string        { return "ana@example.com" }
func (a alone) WebAuthnDisplayName() string { return "ana@example.com" }

func (a alone) WebAuthnCredentials() []webauthn.Credential {
	return []webauthn.Credential{{ID: a.s.id, PublicKey: a.s.cose, Flags: webauthn.CredentialFlags{UserPresent: true, UserVerified: true}}}
}

func (a alone) verify(challenge string, response []byte) error {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return err
	}
	_, err = a.w.ValidateLogin(a, webauthn.SessionData{
		Challenge: challenge, RelyingPartyID: signInRPID, UserID: a.s.handle, AllowedCredentialIDs: [][]byte{a.s.id}, UserVerification: protocol.VerificationRequired,
	}, parsed)
	return err
}

// benchmarkSignIn times FinishSignIn against the floor and go-webauthn, one after
// the other in each round, so that a noisy machine disturbs all alike. The ratio is
// of the medians. Beginning and the key's own signature are not timed.
func benchmarkSignIn(b *testing.B, rp *fido.RelyingParty, key *signer) {
	peer := newAlone(b, key)
	var ours, floors, theirs []time.Duration
	begin := func() (*fido.Ceremony, assertion) {
		c, err := rp.BeginSignIn(b.Context(), fido.SignInRequest{UserName: "ana@example.com"})
		require.NoError(b, err)
		return c, key.assert(b, c.Options)
	}
	for n := 0; b.Loop(); n++ {
		c, a := begin()
		contest := []func(){
			func() {
				start := time.Now()
				if !key.floor(a) {
					b.Fatal("the floor refused")
				}
				floors = append(floors, time.Since(start))
			},
			func() {
				start := time.Now()
				_, err := rp.FinishSignIn(b.Context(), c.ID, fido.PurposeSignIn, a.response)
				ours = append(ours, time.Since(start))
				if err != nil {
					b.Fatal(err)
				}
			},
			func() {
				start := time.Now()
				err := peer.verify(a.challenge, a.response)
				theirs = append(theirs, time.Since(start))
				if err != nil {
					b.Fatal(err)
				}
			},
		}
		for i := range contest { // each goes first in a third of the rounds: the others find warm caches
			contest[(n+i)%len(contest)]()
		}
	}
	allocations(b, 200, func() func() {
		c, a := begin()
		return func() { _, _ = rp.FinishSignIn(b.Context(), c.ID, fido.PurposeSignIn, a.response) }
	})
	b.ReportMetric(float64(median(floors)), "floor-ns")
	b.ReportMetric(float64(median(ours)), "ns/op")
	b.ReportMetric(float64(median(ours))/float64(median(floors)), "x/floor(≤1.20)")
	b.ReportMetric(float64(median(theirs))/float64(median(floors)), "go-webauthn-x/floor")
}

// allocations reports those of what prepare returns. The benchmark's own count
// would stop the world around each round and leave the allocator cold.
func allocations(b *testing.B, runs int, prepare func() func()) {
	b.Helper()
	prepared := make([]func(), runs)
	for i := range prepared {
		prepared[i] = prepare()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, run := range prepared {
		run()
	}
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(runs), "allocs/op")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(runs), "B/op")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkSignIn verifies an ES256 sign-in from its JSON and takes its
// challenge from the store in memory: bare, recorded, and with the policy and the
// metadata of a relying party that lets in attested hardware only.
func BenchmarkSignIn(b *testing.B) {
	b.Run("no-audit", func(b *testing.B) {
		store := fido.NewMemoryStore()
		benchmarkSignIn(b, signInParty(b, store, nil), newSigner(b, store))
	})
	b.Run("audit-in-memory", func(b *testing.B) {
		store := fido.NewMemoryStore()
		benchmarkSignIn(b, signInParty(b, store, memoryLog(b)), newSigner(b, store))
	})
	b.Run("attested-hardware", func(b *testing.B) {
		store := fido.NewMemoryStore()
		rp, known := strictParty(b, store, nil)
		benchmarkSignIn(b, rp, newAttestedSigner(b, store, known))
	})
	b.Run("attested-hardware-audit-in-memory", func(b *testing.B) {
		store := fido.NewMemoryStore()
		rp, known := strictParty(b, store, memoryLog(b))
		benchmarkSignIn(b, rp, newAttestedSigner(b, store, known))
	})
}

func memoryLog(b *testing.B) *audit.Log {
	b.Helper()
	note, _, _, err := audit.NewSigner("bench.example.com/audit")
	require.NoError(b, err)
	log := audit.NewMemory(note, audit.Options{})
	b.Cleanup(func() { require.NoError(b, log.Close()) })
	return log
}

// strictParty lets in attested hardware, by metadata, and returns what is known
// about such a key.
func strictParty(b *testing.B, store fido.Store, log *audit.Log) (*fido.RelyingParty, keypolicy.Evidence) {
	b.Helper()
	ca, model := mdstest.New(b, mdstest.Options{}), keypolicy.AAGUID{1, 2, 3}
	source := ca.Source(b, mdstest.Payload{Number: 7, Entries: []mdstest.Entry{{
		AAGUID: model, Roots: ca.Roots(), Certifications: map[string]int{"FIPS-CMVP-3": 2},
		Status: []mds.StatusReport{{Status: mds.CertifiedL2, EffectiveDate: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}}})
	profile := keypolicy.FIPS()
	profile.Certification, profile.AllowModels = keypolicy.L2, []string{"ours"}
	policy, err := keypolicy.New(keypolicy.Models{"ours": {model}}, keypolicy.Rule{Name: "administrators", Groups: []string{"admins"}, Profile: profile}, keypolicy.Rule{Name: "all", Profile: profile})
	require.NoError(b, err)
	rp, err := fido.New(fido.Config{
		ID: signInRPID, Origins: []string{signInOrigin}, Audit: log, InsecureNoAudit: log == nil, Policy: policy, Metadata: source,
	}, store)
	require.NoError(b, err)
	root := sha256.Sum256(ca.Roots()[0].Raw)
	return rp, keypolicy.Evidence{Verdict: keypolicy.Rooted, RootedBy: "mds", Root: hex.EncodeToString(root[:]), AAGUID: model, Format: "packed", Metadata: 7}
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
