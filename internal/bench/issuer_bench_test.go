package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	fidosqlite "github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/oidc/issuer"
	issuersqlite "github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

const (
	issuerURL      = "http://localhost:8443"
	issuerVerifier = "a-verifier-of-at-least-forty-three-characters"
)

var raw64 = base64.RawURLEncoding

// issuerClient is a person's key and program with next to no work of their own:
// what a browser, an authenticator and a DPoP library produce, by hand.
type issuerClient struct {
	key        *ecdsa.PrivateKey
	credential []byte
	handle     []byte
	count      uint32

	dpop   *ecdsa.PrivateKey
	header string // of a DPoP proof, encoded
	jkt    string
	begin  string // the first request's form
}

func newIssuerKey(b *testing.B) (*ecdsa.PrivateKey, []byte, []byte) {
	b.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		b.Fatal(err)
	}
	return k, point[1:33], point[33:]
}

func newIssuerClient(b *testing.B, rp *fido.RelyingParty, name string) *issuerClient {
	b.Helper()
	c := &issuerClient{credential: []byte(rand.Text())}
	var x, y []byte
	c.key, x, y = newIssuerKey(b)
	c.enroll(b, rp, name, x, y)

	c.dpop, x, y = newIssuerKey(b)
	sx, sy := raw64.EncodeToString(x), raw64.EncodeToString(y)
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, sx, sy))
	c.jkt = raw64.EncodeToString(sum[:])
	c.header = raw64.EncodeToString(fmt.Appendf(nil, `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, sx, sy))
	sum = sha256.Sum256([]byte(issuerVerifier))
	c.begin = url.Values{
		"client_id": {"bench"}, "response_type": {"code"}, "scope": {"openid"}, "audience": {"workspace"}, "login_hint": {name},
		"code_challenge": {raw64.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "dpop_jkt": {c.jkt},
	}.Encode()
	return c
}

// enroll registers the key with no attestation: CBOR small enough to write out.
func (c *issuerClient) enroll(b *testing.B, rp *fido.RelyingParty, name string, x, y []byte) {
	b.Helper()
	invite, err := rp.Invite(b.Context(), name, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	ceremony, err := rp.BeginRegistration(b.Context(), fido.RegistrationRequest{Invite: invite})
	if err != nil {
		b.Fatal(err)
	}
	var options struct {
		Challenge string
		User      struct{ ID string }
	}
	if err := json.Unmarshal(ceremony.Options, &options); err != nil {
		b.Fatal(err)
	}
	c.handle, err = raw64.DecodeString(options.User.ID)
	if err != nil {
		b.Fatal(err)
	}
	cose := slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, x, []byte{0x22, 0x58, 32}, y)
	data := slices.Concat(c.authData(0x45), make([]byte, 16), binary.BigEndian.AppendUint16(nil, uint16(len(c.credential))), c.credential, cose)
	object := slices.Concat([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), binary.BigEndian.AppendUint16(nil, uint16(len(data))), data)
	id := raw64.EncodeToString(c.credential)
	response := fmt.Appendf(nil, `{"id":%q,"rawId":%q,"type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":%q,"attestationObject":%q,"transports":["usb"]}}`,
		id, id, raw64.EncodeToString(clientData("webauthn.create", options.Challenge)), raw64.EncodeToString(object))
	if _, err := rp.FinishRegistration(b.Context(), ceremony.ID, response); err != nil {
		b.Fatal(err)
	}
}

func clientData(kind, challenge string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"challenge":%q,"origin":%q,"crossOrigin":false}`, kind, challenge, issuerURL)
}

func (c *issuerClient) authData(flags byte) []byte {
	rpID := sha256.Sum256([]byte("localhost"))
	c.count++
	return binary.BigEndian.AppendUint32(append(rpID[:], flags), c.count)
}

// answer is the second request's form.
func (c *issuerClient) answer(b *testing.B, session, challenge string) string {
	client, data := clientData("webauthn.get", challenge), c.authData(0x05)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, c.key, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	id := raw64.EncodeToString(c.credential)
	response := fmt.Sprintf(`{"id":%q,"rawId":%q,"type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":%q,"authenticatorData":%q,"signature":%q,"userHandle":%q}}`,
		id, id, raw64.EncodeToString(client), raw64.EncodeToString(data), raw64.EncodeToString(sig), raw64.EncodeToString(c.handle))
	return "client_id=bench&auth_session=" + session + "&webauthn_response=" + url.QueryEscape(response)
}

func (c *issuerClient) proof(b *testing.B) string {
	claims := fmt.Appendf(nil, `{"jti":%q,"htm":"POST","htu":%q,"iat":%d}`, rand.Text(), issuerURL+"/token", time.Now().Unix())
	input := c.header + "." + raw64.EncodeToString(claims)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, c.dpop, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + raw64.EncodeToString(sig)
}

// issuerAnswer keeps an answer and does nothing else with it: what the recorder
// of httptest does on top would count as the handler's time.
type issuerAnswer struct {
	header http.Header
	body   []byte
}

func (a *issuerAnswer) Header() http.Header { return a.header }

func (a *issuerAnswer) WriteHeader(int) {}

func (a *issuerAnswer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

// signIn goes all the way and returns how long the handler took in its three
// calls.
func (c *issuerClient) signIn(b *testing.B, h http.Handler) (spent time.Duration) {
	var first struct {
		Session  string `json:"auth_session"`
		WebAuthn struct{ Challenge string }
	}
	var second struct {
		Code string `json:"authorization_code"`
	}
	var third struct {
		IDToken string `json:"id_token"`
	}
	call := func(path, form, proof string, into any) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, issuerURL+path, strings.NewReader(form))
		if err != nil {
			b.Fatal(err)
		}
		r.RemoteAddr = "192.0.2.1:1234"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if proof != "" {
			r.Header.Set("DPoP", proof)
		}
		w := &issuerAnswer{header: http.Header{}}
		start := time.Now()
		h.ServeHTTP(w, r)
		spent += time.Since(start)
		if err := json.Unmarshal(w.body, into); err != nil {
			b.Fatal(err)
		}
	}
	call("/authorize-challenge", c.begin, "", &first)
	call("/authorize-challenge", c.answer(b, first.Session, first.WebAuthn.Challenge), "", &second)
	call("/token", "grant_type=authorization_code&client_id=bench&code="+second.Code+"&code_verifier="+issuerVerifier, c.proof(b), &third)
	if third.IDToken == "" {
		b.Fatal("a sign-in yielded no ID token")
	}
	return spent
}

func newBenchIssuer(b *testing.B, log *audit.Log, keys fido.Store, sessions issuer.Store) (http.Handler, *fido.RelyingParty) {
	b.Helper()
	rp, err := fido.New(fido.Config{ID: "localhost", Origins: []string{issuerURL}, Audit: log}, keys)
	if err != nil {
		b.Fatal(err)
	}
	h, err := issuer.New(context.Background(), issuer.Config{URL: issuerURL, Clients: []issuer.Client{{ID: "bench", Audiences: []string{"workspace"}}}, Audit: log}, rp, sessions)
	if err != nil {
		b.Fatal(err)
	}
	return h, rp
}

// BenchmarkIssuerSignInMemory: the handler's part of a whole sign-in (challenge,
// assertion, code, tokens) against the cryptography that no sign-in can do
// without, one verification and one signature. The two are taken in turns, so
// that a busy machine slows both.
//
// What the sign-in does on top by design: one more verification (the DPoP
// proof), one more signature (the access token), four records in the log.
func BenchmarkIssuerSignInMemory(b *testing.B) {
	signer, _, _, err := audit.NewSigner("bench.example.com/audit")
	if err != nil {
		b.Fatal(err)
	}
	h, rp := newBenchIssuer(b, audit.NewMemory(signer, audit.Options{}), fido.NewMemoryStore(), issuer.NewMemoryStore())
	c := newIssuerClient(b, rp, "ada@example.com")
	sum := sha256.Sum256([]byte("floor"))
	sig, err := ecdsa.SignASN1(rand.Reader, c.key, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	var floor, spent time.Duration
	n := 0
	for b.Loop() {
		spent += c.signIn(b, h)
		start := time.Now()
		if !ecdsa.VerifyASN1(&c.key.PublicKey, sum[:], sig) {
			b.Fatal("floor")
		}
		if _, err := ecdsa.SignASN1(rand.Reader, c.key, sum[:]); err != nil {
			b.Fatal(err)
		}
		floor += time.Since(start)
		n++
	}
	b.ReportMetric(0, "ns/op") // it holds the client's work too
	b.ReportMetric(float64(spent.Microseconds())/float64(n), "µs/sign-in")
	b.ReportMetric(float64(floor.Microseconds())/float64(n), "µs/floor")
	b.ReportMetric(100*float64(floor)/float64(spent), "%of-floor-rate(≥40)")
}

// BenchmarkIssuerSignInSQLite: whole sign-ins a second, the clients' work
// included, with both stores in one SQLite file and the audit log durable.
func BenchmarkIssuerSignInSQLite(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			dir := b.TempDir()
			keys, err := fidosqlite.Open(b.Context(), filepath.Join(dir, "issuer.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer keys.Close()
			sessions, err := issuersqlite.Open(b.Context(), filepath.Join(dir, "issuer.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer sessions.Close()
			log := newAuditLog(b)
			defer log.Close()
			h, rp := newBenchIssuer(b, log, keys, sessions)
			people := make([]*issuerClient, clients)
			for n := range people {
				people[n] = newIssuerClient(b, rp, fmt.Sprintf("person%d@example.com", n))
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for _, c := range people {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						c.signIn(b, h)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s(≥1000)")
		})
	}
}
