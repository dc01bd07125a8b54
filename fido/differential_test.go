package fido_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// reference verifies an assertion with go-webauthn, which our own verifier
// replaces on the way of a sign-in.
func reference(r fido.CeremonyRecord, c fido.Credential, response []byte) error {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return err
	}
	return parsed.Verify(b64(r.Challenge), "example.com", "", []string{"https://login.example.com"}, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, true, true, c.PublicKey, protocol.SignaturePolicy{})
}

// subject is a ceremony and a credential for the two verifiers to judge.
type subject struct {
	rp     *fido.RelyingParty
	key    *forge
	record fido.CeremonyRecord
	cred   fido.Credential
}

var fixedChallenge = []byte("a challenge that is 32 bytes long")

func newSubject(t testing.TB, alg fido.Algorithm) subject {
	t.Helper()
	key := newForge(t, alg)
	return subject{
		party(t, config(), fido.NewMemoryStore()), key,
		fido.CeremonyRecord{Challenge: fixedChallenge, UserVerification: "required"},
		fido.Credential{ID: key.id, PublicKey: key.cose, Algorithm: alg},
	}
}

func (s subject) options() json.RawMessage {
	return json.RawMessage(`{"challenge":"` + b64(fixedChallenge) + `"}`)
}

// judge asks both and reports what each says. That we accept what go-webauthn
// refuses fails the test; the other way round we are stricter, which is counted.
func (s subject) judge(t testing.TB, response []byte) (ours, theirs error) {
	t.Helper()
	ours, theirs = s.rp.VerifyAssertion(s.record, s.cred, response), reference(s.record, s.cred, response)
	// One member of which go-webauthn wants to know the type has no meaning at all:
	// Chromium sends it so that nobody expects to know all members.
	if ours == nil && theirs != nil && !strings.Contains(theirs.Error(), "CollectedClientData.new_keys_may_be_added_here") {
		t.Fatalf("accepted what go-webauthn refuses (%v):\n%s", theirs, response)
	}
	return ours, theirs
}

// TestStricterThanGoWebAuthn lists all that we refuse and go-webauthn accepts.
func TestStricterThanGoWebAuthn(t *testing.T) {
	s := newSubject(t, fido.ES256)
	stricter := map[string]func(*draft){
		"origin in another case":      func(d *draft) { d.origin = "HTTPS://LOGIN.example.com" },
		"origin with a default port":  func(d *draft) { d.origin = "https://login.example.com:443" },
		"origin with a path":          func(d *draft) { d.origin = "https://login.example.com/path" },
		"members twice, same meaning": func(d *draft) { d.more = `,"origin":"https://login.example.com"` },
		"members in another case":     func(d *draft) { d.clientData = []byte(strings.Replace(string(d.clientDataJSON()), "type", "TYPE", 1)) },
		"members null":                func(d *draft) { d.outer = map[string]any{"x": 1}; d.more = `,"topOrigin":null` },
		"token binding in use":        func(d *draft) { d.more = `,"tokenBinding":{"status":"present"}` },
		"backed up and not eligible":  func(d *draft) { d.flags |= bs },
		"eligible for backup now":     func(d *draft) { d.flags |= be },
		"64 KiB of nothing":           func(d *draft) { d.outer = map[string]any{"x": strings.Repeat("x", 64<<10)} },
		"padded base64":               func(d *draft) { d.response = map[string]any{"clientDataJSON": b64(d.clientDataJSON()) + "="} },
	}
	for name, change := range stricter {
		t.Run(name, func(t *testing.T) {
			ours, theirs := s.judge(t, s.key.assert(t, s.options(), change))
			require.Error(t, ours)
			require.NoError(t, theirs, "no longer stricter: take it off the list")
		})
	}
	for name, text := range map[string]func(string) string{
		"member twice":                 func(s string) string { return `{"type":"public-key",` + s[1:] },
		"member in another case":       func(s string) string { return strings.Replace(s, `"type"`, `"Type"`, 1) },
		"escapes in base64":            func(s string) string { return strings.Replace(s, `"signature":"M`, `"signature":"\u004d`, 1) },
		"line break in base64":         func(s string) string { return strings.Replace(s, `"signature":"M`, `"signature":"M\n`, 1) },
		"not UTF-8 in an ignored text": func(s string) string { return "{\"x\":\"\xff\"," + s[1:] },
		"deep nesting": func(s string) string {
			return `{"x":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + "," + s[1:]
		},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := s.judge(t, []byte(text(string(s.key.assert(t, s.options())))))
			require.Error(t, ours)
			require.NoError(t, theirs, "no longer stricter: take it off the list")
		})
	}
}

// TestVerifiersAgree holds the two verifiers against each other on responses
// that are right, wrong as a whole, and wrong in one byte.
func TestVerifiersAgree(t *testing.T) {
	for _, alg := range []fido.Algorithm{fido.ES256, fido.EdDSA, fido.RS256} {
		t.Run(alg.String(), func(t *testing.T) {
			s := newSubject(t, alg)
			for range 20 {
				ours, theirs := s.judge(t, s.key.assert(t, s.options()))
				require.NoError(t, ours)
				require.NoError(t, theirs)
			}
			for name, r := range refusals {
				ours, _ := s.judge(t, s.key.assert(t, s.options(), r.change))
				require.Error(t, ours, name)
			}
			random := rand.New(rand.NewPCG(1, uint64(-alg)))
			good := s.key.assert(t, s.options())
			for range 3000 {
				bad := bytes.Clone(good)
				bad[random.IntN(len(bad))] = byte(random.Uint32())
				if random.IntN(4) == 0 { // and a piece out, or in twice
					i := random.IntN(len(bad))
					j := i + random.IntN(len(bad)-i)
					bad = append(bytes.Clone(bad[:j]), bad[i:]...)
				}
				s.judge(t, bad)
			}
			for range 1000 { // re-signed client data, changed before signing
				s.judge(t, s.key.assert(t, s.options(), func(d *draft) {
					data := d.clientDataJSON()
					data[random.IntN(len(data))] = "{}[],:\"\\ \ttfn0aAzZ"[random.IntN(18)]
					d.clientData = data
				}))
			}
		})
	}
}

// FuzzAssertion: whatever the response, we never accept what go-webauthn does
// not, and fail only with errors that say which check.
func FuzzAssertion(f *testing.F) {
	s := newSubject(f, fido.EdDSA)
	good := s.key.assert(f, s.options())
	f.Add(good)
	for _, r := range refusals {
		if seed := s.key.assert(f, s.options(), r.change); len(seed) < 4096 {
			f.Add(seed)
		}
	}
	f.Add(s.key.assert(f, s.options(), func(d *draft) { d.more = `,"tokenBinding":{"status":"supported"},"x":{"y":[1,null]}` }))
	f.Fuzz(func(t *testing.T, response []byte) {
		ours, _ := s.judge(t, response)
		if ours != nil {
			var failed *fido.VerificationError
			require.ErrorAs(t, ours, &failed)
		}
	})
}

// FuzzClientData signs whatever the fuzzer makes of the client data.
func FuzzClientData(f *testing.F) {
	s := newSubject(f, fido.EdDSA)
	d := s.key.draft(f, "webauthn.get", s.options())
	f.Add(d.clientDataJSON())
	d.more = `,"topOrigin":null,"tokenBinding":{"status":"supported"},"new_keys_may_be_added_here":"x"`
	f.Add(d.clientDataJSON())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		s.judge(t, s.key.assert(t, s.options(), func(d *draft) { d.clientData = data }))
	})
}

// FuzzRegistration: a response is refused with an error that says which check,
// or yields a whole credential with no verdict it has not earned.
func FuzzRegistration(f *testing.F) {
	s := newSubject(f, fido.EdDSA)
	f.Add(s.key.register(f, s.options()))
	f.Add(s.key.register(f, s.options(), func(d *draft) { d.statement = packedSelf(f, s.key) }))
	root := newAuthority(f, "Root", nil)
	f.Add(s.key.register(f, s.options(), func(d *draft) { d.statement = packed(f, root.leaf(f, [16]byte{}), root) }))
	for _, r := range refusals {
		if seed := s.key.register(f, s.options(), r.change); len(seed) < 4096 {
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		c, err := s.rp.VerifyRegistration(s.record, response)
		if err != nil {
			var failed *fido.VerificationError
			var unsupported *fido.UnsupportedAlgorithmError
			if c != nil || !(errors.As(err, &failed) || errors.As(err, &unsupported)) {
				t.Fatalf("%v with %v", err, c)
			}
			return
		}
		if len(c.ID) == 0 || len(c.PublicKey) == 0 || c.Evidence.Verdict == keypolicy.Rooted || c.Evidence.Hardware {
			t.Fatalf("registered %+v", c)
		}
	})
}
