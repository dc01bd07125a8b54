package fido_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

// What both ceremonies refuse in the same way.
var refusals = map[string]struct {
	check  string
	change func(*draft)
}{
	"wrong origin":           {"origin", func(d *draft) { d.origin = "https://login.example.com.evil.org" }},
	"another port":           {"origin", func(d *draft) { d.origin = "https://login.example.com:8443" }},
	"origin in another case": {"origin", func(d *draft) { d.origin = "https://LOGIN.example.com" }},
	"http":                   {"origin", func(d *draft) { d.origin = "http://login.example.com" }},
	"wrong challenge":        {"challenge", func(d *draft) { d.challenge = b64(make([]byte, 32)) }},
	"no challenge":           {"challenge", func(d *draft) { d.challenge = "" }},
	"padded challenge":       {"challenge", func(d *draft) { d.challenge += "=" }},
	"wrong type": {"type", func(d *draft) {
		d.kind = map[string]string{"webauthn.get": "webauthn.create", "webauthn.create": "webauthn.get"}[d.kind]
	}},
	"cross origin": {"crossOrigin", func(d *draft) {
		d.clientData = []byte(strings.Replace(string(d.clientDataJSON()), `"crossOrigin":false`, `"crossOrigin":true`, 1))
	}},
	"top origin":                 {"crossOrigin", func(d *draft) { d.more = `,"topOrigin":"https://evil.org"` }},
	"duplicate in client data":   {"client data", func(d *draft) { d.more = `,"origin":"https://login.example.com"` }},
	"duplicate in another case":  {"client data", func(d *draft) { d.more = `,"ORIGIN":"https://evil.org"` }},
	"token binding":              {"client data", func(d *draft) { d.more = `,"tokenBinding":{"status":"present","id":"x"}` }},
	"token binding as a string":  {"client data", func(d *draft) { d.more = `,"tokenBinding":"unused"` }},
	"crossOrigin as a string":    {"client data", func(d *draft) { d.clientData = []byte(strings.Replace(string(d.clientDataJSON()), "false", `"no"`, 1)) }},
	"client data with a tail":    {"client data", func(d *draft) { d.clientData = append(d.clientDataJSON(), '{', '}') }},
	"client data not an object":  {"client data", func(d *draft) { d.clientData = []byte(`["webauthn.get"]`) }},
	"client data not UTF-8":      {"client data", func(d *draft) { d.more = ",\"x\":\"\xff\"" }},
	"another RP ID":              {"RP ID", func(d *draft) { d.rpID = "evil.org" }},
	"a subdomain as RP ID":       {"RP ID", func(d *draft) { d.rpID = "login.example.com" }},
	"nobody present":             {"user presence", func(d *draft) { d.flags &^= up }},
	"nobody verified":            {"user verification", func(d *draft) { d.flags &^= uv }},
	"backed up and not eligible": {"backup state", func(d *draft) { d.flags |= bs }},
	"id is not rawId":            {"response", func(d *draft) { d.outer = map[string]any{"id": "AAAA"} }},
	"another type of credential": {"response", func(d *draft) { d.outer = map[string]any{"type": "password"} }},
	"no inner response":          {"response", func(d *draft) { d.outer = map[string]any{"response": nil} }},
	"base64 with a tail":         {"response", func(d *draft) { d.response = map[string]any{"clientDataJSON": "AA=A"} }},
	"oversize":                   {"size", func(d *draft) { d.outer = map[string]any{"x": strings.Repeat("x", 64<<10)} }},
	"bad extension results":      {"response", func(d *draft) { d.outer = map[string]any{"clientExtensionResults": map[string]any{"appid": 5}} }},
}

func TestSignInRefuses(t *testing.T) {
	store := fido.NewMemoryStore()
	rp := party(t, config(), store)
	key, strangers := newForge(t, fido.ES256), newForge(t, fido.ES256)
	enrol(t, rp, ana, key)
	enrol(t, rp, ben, strangers)

	checked := map[string]struct {
		check  string
		change func(*draft)
	}{
		"short authenticator data":         {"authenticator data", func(d *draft) { d.response = map[string]any{"authenticatorData": b64(make([]byte, 36))} }},
		"authenticator data with a tail":   {"authenticator data", func(d *draft) { d.extensions = []byte{0} }},
		"extensions announced, none there": {"authenticator data", func(d *draft) { d.flags |= ed }},
		"malformed extensions":             {"authenticator data", func(d *draft) { d.flags |= ed; d.extensions = []byte{0xff} }},
		"a flipped signature":              {"signature", func(d *draft) { d.response = map[string]any{"signature": b64([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})} }},
		"no signature":                     {"response", func(d *draft) { d.response = map[string]any{"signature": ""} }},
		"eligible for backup now":          {"backup eligibility", func(d *draft) { d.flags |= be }},
		"an unknown credential":            {"credential", func(d *draft) { d.id = []byte("unknown") }},
		"somebody else's user handle":      {"user", func(d *draft) { d.handle = []byte("ben") }},
		"empty user handle":                {"user", func(d *draft) { d.handle = []byte{} }},
	}
	for name, r := range refusals {
		checked[name] = r
	}
	for name, r := range checked {
		t.Run(name, func(t *testing.T) {
			_, err := signIn(t, rp, ana, key, r.change)
			failsCheck(t, err, r.check)
			_, err = signIn(t, rp, ana, key)
			require.NoError(t, err, "a refusal must not harm the key")
		})
	}
	t.Run("another user's credential", func(t *testing.T) { // YSA-2026-02
		_, err := signIn(t, rp, ana, strangers)
		failsCheck(t, err, "credential")
		_, err = signIn(t, rp, ana, strangers, func(d *draft) { d.handle = key.handle })
		failsCheck(t, err, "credential")
	})
	t.Run("a record that offered another user's credential", func(t *testing.T) { // whatever a store may do
		id := secret.New("id")
		require.NoError(t, store.PutCeremony(t.Context(), fido.CeremonyRecord{
			ID: sha256.Sum256([]byte("id")), Purpose: fido.PurposeSignIn, Challenge: []byte("x"), UserHandle: key.handle,
			Allowed: [][]byte{strangers.id}, Expires: time.Now().Add(time.Hour),
		}, time.Now()))
		_, err := rp.FinishSignIn(t.Context(), id, fido.PurposeSignIn, strangers.assert(t, json.RawMessage(`{"challenge":"eA"}`)))
		failsCheck(t, err, "user")
	})
	t.Run("discoverable without a user handle", func(t *testing.T) {
		_, err := signIn(t, rp, "", key, func(d *draft) { d.handle = nil })
		failsCheck(t, err, "user")
		proof, err := signIn(t, rp, "", key)
		require.NoError(t, err)
		require.Equal(t, ana, proof.User.Name)
	})
}

func TestSignInRefusesTexts(t *testing.T) {
	rp := party(t, config(), fido.NewMemoryStore())
	key := newForge(t, fido.ES256)
	enrol(t, rp, ana, key)
	for name, change := range map[string]func(string) string{
		"trailing garbage":   func(s string) string { return s + "x" },
		"two texts":          func(s string) string { return s + s },
		"empty":              func(string) string { return "" },
		"null":               func(string) string { return "null" },
		"duplicate member":   func(s string) string { return `{"type":"public-key",` + s[1:] },
		"duplicate in depth": func(s string) string { return strings.Replace(s, `"response":{`, `"response":{"signature":"AAAA",`, 1) },
		"folded duplicate":   func(s string) string { return `{"TYPE":"public-key",` + s[1:] },
		"escaped base64":     func(s string) string { return strings.Replace(s, `"signature":"M`, `"signature":"\u004d`, 1) },
		"64 MiB":             func(string) string { return strings.Repeat(" ", 64<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			c := beginSignIn(t, rp, ana)
			good := string(key.assert(t, c.Options))
			bad := change(good)
			require.NotEqual(t, good, bad)
			_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, []byte(bad))
			if name == "64 MiB" {
				failsCheck(t, err, "size")
				return
			}
			failsCheck(t, err, "response")
		})
	}
	t.Run("what real clients add is accepted", func(t *testing.T) {
		_, err := signIn(t, rp, ana, key, func(d *draft) {
			d.more = `,"other_keys_can_be_added_here":"do not compare clientDataJSON against a template. See https://goo.gl/yabPex"`
			d.outer = map[string]any{"authenticatorAttachment": "cross-platform", "clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}}}
			d.flags |= ed
			d.extensions = encodeCBOR(t, map[string]any{"credProtect": 2})
		})
		require.NoError(t, err)
		_, err = signIn(t, rp, ana, key, func(d *draft) {
			d.clientData = []byte(`{"challenge": "` + d.challenge + `", "origin": "https://login.example.com", "type": "webauthn.get", "tokenBinding": {"status": "supported"}}`)
			d.response = map[string]any{"userHandle": nil}
		})
		require.NoError(t, err)
	})
}

func TestRegistrationRefuses(t *testing.T) {
	rp := party(t, config(), fido.NewMemoryStore())
	checked := map[string]struct {
		check  string
		change func(*draft)
	}{
		"rawId of somebody else":        {"credential ID", func(d *draft) { d.outer = map[string]any{"id": "AAAA", "rawId": "AAAA"} }},
		"no attested credential":        {"response", func(d *draft) { d.flags &^= at }},
		"an unknown attestation format": {"attestation", func(d *draft) { d.statement = func(_, _ []byte) (string, any) { return "homemade", map[string]any{} } }},
		"none with a statement": {"attestation", func(d *draft) {
			d.statement = func(_, _ []byte) (string, any) { return "none", map[string]any{"x": 1} }
		}},
		"self attestation by another key":    {"attestation", func(d *draft) { d.statement = packedSelf(t, newForge(t, fido.ES256)) }},
		"attestation object with a tail":     {"response", func(d *draft) { d.response = map[string]any{"attestationObject": b64([]byte{0xa0, 0})} }},
		"authenticator data with a tail":     {"response", func(d *draft) { d.extensions = []byte{1} }},
		"duplicate members (of the outside)": {"response", func(d *draft) { d.outer = map[string]any{"RAWID": "AAAA"} }},
	}
	for name, r := range refusals {
		checked[name] = r
	}
	for name, r := range checked {
		t.Run(name, func(t *testing.T) {
			key := newForge(t, fido.ES256)
			invite, c := beginRegistration(t, rp, ana)
			_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, r.change))
			failsCheck(t, err, r.check)
			_, err = rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			require.ErrorIs(t, err, fido.ErrCeremonyNotFound, "a failed finish uses the ceremony up")
			c, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
			require.NoError(t, err, "and not the invitation")
			_, err = rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			require.NoError(t, err)
		})
	}
}

func TestAlgorithmsThatCannotBeVerifiedAreRefusedAtOnce(t *testing.T) {
	store := fido.NewMemoryStore()
	cfg := config()
	cfg.Algorithms = []fido.Algorithm{-48, fido.ES256, -53}
	rp := party(t, cfg, store)
	_, c := beginRegistration(t, rp, ana)
	var options struct {
		PubKeyCredParams []struct{ Alg fido.Algorithm }
	}
	require.NoError(t, json.Unmarshal(c.Options, &options))
	require.Len(t, options.PubKeyCredParams, 1, "only what can be verified is asked for")
	require.Equal(t, fido.ES256, options.PubKeyCredParams[0].Alg)

	for alg, words := range map[int]string{-48: "ML-DSA-44", -53: "Ed448", -65535: "RS1", -47: "ES256K", -999: "COSE algorithm -999"} {
		key := newForge(t, fido.ES256)
		key.cose = encodeCBOR(t, map[int]any{1: 7, 3: alg, -1: make([]byte, 1312)})
		_, c := beginRegistration(t, rp, ana)
		_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
		var unsupported *fido.UnsupportedAlgorithmError
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, fido.Algorithm(alg), unsupported.Algorithm)
		require.ErrorContains(t, err, words)
		require.Equal(t, alg == -48, strings.Contains(err.Error(), "Go 1.27"))
	}

	key := newForge(t, fido.EdDSA) // verifiable, and not asked for
	_, c = beginRegistration(t, rp, ana)
	_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
	failsCheck(t, err, "algorithm")

	cfg.Algorithms = []fido.Algorithm{-48}
	_, err = fido.New(cfg, store)
	var unsupported *fido.UnsupportedAlgorithmError
	require.ErrorAs(t, err, &unsupported)
}

func TestWeakAndMalformedKeysAreRefused(t *testing.T) {
	rp := party(t, config(), fido.NewMemoryStore())
	point, err := base64.RawURLEncoding.DecodeString("AQAB")
	require.NoError(t, err)
	for name, cose := range map[string]any{
		"RSA with 1024 bits":  map[int]any{1: 3, 3: -257, -1: append([]byte{0x80}, make([]byte, 127)...), -2: point},
		"RSA with 16384 bits": map[int]any{1: 3, 3: -257, -1: append([]byte{0x80}, make([]byte, 2047)...), -2: point},
		"off the curve":       map[int]any{1: 2, 3: -7, -1: 1, -2: make([]byte, 32), -3: make([]byte, 32)},
		"another curve":       map[int]any{1: 2, 3: -7, -1: 2, -2: make([]byte, 48), -3: make([]byte, 48)},
		"short Ed25519":       map[int]any{1: 1, 3: -8, -1: 6, -2: make([]byte, 31)},
		"alg of another type": map[int]any{1: 3, 3: -7, -1: make([]byte, 256), -2: point},
		"not a map":           []int{1},
	} {
		t.Run(name, func(t *testing.T) {
			key := newForge(t, fido.ES256)
			key.cose = encodeCBOR(t, cose)
			_, c := beginRegistration(t, rp, ana)
			_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			failsCheck(t, err, "public key")
		})
	}
}
