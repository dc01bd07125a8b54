package idptest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// DexOptions are the optional settings of a Dex.
type DexOptions struct {
	// Issuer is where it is to be: an [Address] and a path. Empty: it finds a place.
	// Its connectors want answers at Issuer/callback.
	Issuer       string
	RedirectURIs []string // of the client Web
	Connectors   []Connector
}

// Connector is an OpenID provider to which Dex sends people.
type Connector struct {
	ID     string // Dex takes it as connector_id in authorization requests
	Issuer string
	Client Client // who Dex is there
	Scopes []string
	// NameClaim is the claim with the person's name; Dex insists on one. Empty: name.
	NameClaim string
}

// Dex starts Dex, where the Person signs in with a password. It knows no acr, amr
// and auth_time, sends no iss with its answers, and answers a used refresh token
// with invalid_request while the newer ones keep working.
func Dex(t testing.TB, o DexOptions) *Provider {
	t.Helper()
	binary := installed(t, "dex")
	if o.Issuer == "" {
		o.Issuer = Address(t) + "/dex"
	}
	p := &Provider{
		Issuer: o.Issuer,
		Native: Client{ID: "native"}, Device: Client{ID: "native"}, Web: Client{ID: "web", Secret: "web-secret"},
		Person: Person{Name: "alice@example.com", Password: "a password for tests"},
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json") // YAML, of which JSON is a part
	config, err := json.Marshal(dexConfig(p, o))
	if err != nil {
		t.Fatalf("idptest: %v", err)
	}
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatalf("idptest: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dex, err := launch(command{name: "dex", dir: dir, argv: []string{binary, "serve", file}})
	if err != nil {
		t.Fatal(err)
	}
	dex.with(t)
	if err := dex.ready(ctx, p.Issuer); err != nil {
		t.Fatal(err)
	}
	return p
}

type object = map[string]any

// dexConfig is Dex's configuration.
// https://dexidp.io/docs/configuration/
func dexConfig(p *Provider, o DexOptions) object {
	connectors := []object{}
	for _, c := range o.Connectors {
		connectors = append(connectors, object{"type": "oidc", "id": c.ID, "name": c.ID, "config": object{
			"issuer": c.Issuer, "clientID": c.Client.ID, "clientSecret": c.Client.Secret, "redirectURI": o.Issuer + "/callback",
			"scopes": c.Scopes, "insecureSkipEmailVerified": true, "pkceChallenge": "S256", "userNameKey": c.NameClaim,
		}})
	}
	_, rest, _ := strings.Cut(o.Issuer, "://")
	address, _, _ := strings.Cut(rest, "/")
	config := object{
		"issuer":  o.Issuer,
		"storage": object{"type": "memory"},
		"web":     object{"http": address},
		"logger":  object{"level": "info"},
		"expiry":  object{"idTokens": "10m", "refreshTokens": object{"reuseInterval": "0s"}},
		"oauth2": object{
			"skipApprovalScreen": true,
			"grantTypes":         []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"},
			"pkce":               object{"enforce": true, "codeChallengeMethodsSupported": []string{"S256"}},
		},
		"staticClients": []object{
			// A public client without addresses may use any on the loopback interface.
			{"id": p.Native.ID, "name": "native", "public": true},
			{"id": p.Web.ID, "name": "web", "secret": p.Web.Secret, "redirectURIs": o.RedirectURIs},
		},
		"connectors": connectors,
	}
	if len(connectors) == 0 {
		config["enablePasswordDB"] = true
		config["staticPasswords"] = []object{{
			"email": p.Person.Name, "username": "alice", "userID": "a1b2c3", "groups": []string{"engineers"},
			"hash": "$2a$10$TfE4pwPFF6FCD.m54h1fLu3NtVbQM8CTxINLBcQrw74xbRRQs.wmK", // of the password above, by bcrypt
		}}
	}
	return config
}

// Address returns the URL of a place on the loopback interface where nobody
// listens. The system gives ports in this range to nobody who does not ask for
// them, so it stays free.
func Address(t testing.TB) string {
	t.Helper()
	for range 100 {
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", at)
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatalf("idptest: %v", err)
		}
		return "http://" + at
	}
	t.Fatal("idptest: no port is free")
	return ""
}
