package fido_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

func TestNewRefuses(t *testing.T) {
	log, _ := memoryLog(t)
	for name, change := range map[string]func(*fido.Config){
		"no RP ID":            func(c *fido.Config) { c.ID = "" },
		"address as RP ID":    func(c *fido.Config) { c.ID = "127.0.0.1" },
		"URL as RP ID":        func(c *fido.Config) { c.ID = "https://example.com" },
		"upper case":          func(c *fido.Config) { c.ID = "Example.com" },
		"top-level domain":    func(c *fido.Config) { c.ID = "com" },
		"no origin":           func(c *fido.Config) { c.Origins = nil },
		"http":                func(c *fido.Config) { c.Origins = []string{"http://login.example.com"} },
		"origin elsewhere":    func(c *fido.Config) { c.Origins = append(c.Origins, "https://example.org") },
		"origin that ends so": func(c *fido.Config) { c.Origins = []string{"https://evilexample.com"} },
		"related in http":     func(c *fido.Config) { c.RelatedOrigins = []string{"http://localhost:1"} },
		"related inside":      func(c *fido.Config) { c.RelatedOrigins = []string{"https://shop.example.com"} },
		"related, no origin":  func(c *fido.Config) { c.RelatedOrigins = []string{"https://ana@example.de"} },
		"no audit":            func(c *fido.Config) { c.InsecureNoAudit = false },
		"audit and none":      func(c *fido.Config) { c.Audit = log },
		"user verification":   func(c *fido.Config) { c.UserVerification = "maybe" },
		"attestation":         func(c *fido.Config) { c.Attestation = "maybe" },
		"root":                func(c *fido.Config) { c.Roots = []fido.Root{{}} },
		"algorithms":          func(c *fido.Config) { c.Algorithms = []fido.Algorithm{-65535} },
		"counter policy":      func(c *fido.Config) { c.CounterPolicy = 9 },
		"negative time":       func(c *fido.Config) { c.CeremonyTimeout = -time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			change(&cfg)
			_, err := fido.New(cfg, fido.NewMemoryStore())
			require.ErrorContains(t, err, "fido: ")
		})
	}
	_, err := fido.New(config(), nil)
	require.Error(t, err)
}

func TestOptionsSayWhatIsConfigured(t *testing.T) {
	cfg := config()
	cfg.ID, cfg.Name, cfg.Origins = "localhost", "", []string{"http://localhost:8080/"}
	cfg.UserVerification, cfg.Attestation, cfg.CeremonyTimeout = "preferred", "enterprise", time.Minute
	rp := party(t, cfg, fido.NewMemoryStore())
	_, c := beginRegistration(t, rp, ana)
	var o struct {
		RP                     map[string]string `json:"rp"`
		User                   map[string]string `json:"user"`
		Challenge              bytes64           `json:"challenge"`
		Timeout                int64             `json:"timeout"`
		Attestation            string            `json:"attestation"`
		AuthenticatorSelection map[string]any    `json:"authenticatorSelection"`
		ExcludeCredentials     []any             `json:"excludeCredentials"`
		PubKeyCredParams       []struct {
			Type string
			Alg  int
		} `json:"pubKeyCredParams"`
	}
	require.NoError(t, json.Unmarshal(c.Options, &o))
	require.Equal(t, map[string]string{"id": "localhost", "name": "localhost"}, o.RP)
	require.Equal(t, ana, o.User["name"])
	require.Len(t, o.User["id"], 43)
	require.Len(t, o.Challenge, 32)
	require.Equal(t, int64(60000), o.Timeout)
	require.Equal(t, "enterprise", o.Attestation)
	require.Equal(t, "preferred", o.AuthenticatorSelection["userVerification"])
	require.NotNil(t, o.ExcludeCredentials)
	require.Equal(t, -7, o.PubKeyCredParams[0].Alg)
	for _, p := range o.PubKeyCredParams {
		require.Equal(t, "public-key", p.Type)
		require.NotEqual(t, -65535, p.Alg, "SHA-1")
	}
	key := newForge(t, fido.ES256)
	key.rpID, key.origin, key.flags = "localhost", "http://localhost:8080", up
	enrol(t, rp, ana, key)
	proof, err := signIn(t, rp, ana, key)
	require.NoError(t, err, "user verification was not required")
	require.False(t, proof.UserVerified)
}

// Keys for one domain are used at a site in another that the relying party names,
// and at no third.
func TestRelatedOrigins(t *testing.T) {
	cfg := config()
	cfg.RelatedOrigins = []string{"https://example.de/", "https://EXAMPLE.fr"}
	rp := party(t, cfg, fido.NewMemoryStore())
	key := newForge(t, fido.ES256)
	enrol(t, rp, ana, key)
	for _, o := range []string{"https://example.de", "https://example.fr"} {
		proof, err := signIn(t, rp, ana, key, func(d *draft) { d.origin = o })
		require.NoError(t, err)
		require.Equal(t, o, proof.Origin)
		_, err = signIn(t, rp, ana, key, func(d *draft) { d.origin, d.rpID = o, o[len("https://"):] })
		failsCheck(t, err, "RP ID")
	}
	for _, o := range []string{"https://www.example.de", "http://example.de", "https://example.de:8443", "https://example.it"} {
		_, err := signIn(t, rp, ana, key, func(d *draft) { d.origin = o })
		failsCheck(t, err, "origin")
	}
	require.Equal(t, []string{"https://login.example.com"}, config().Origins)
}
