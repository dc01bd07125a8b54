package idptest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// KeycloakProvider is a Keycloak. Its realm knows two levels of authentication,
// with the acr values pwd, for a password, and phr, for a security key on top,
// which it asks for again after 300 s; who has none registers one then. Its issuer is
// on localhost, since WebAuthn knows no addresses. There is no client Web.
type KeycloakProvider struct {
	Provider
	admin *administrator
}

// KeycloakOptions are the optional settings of a person at Keycloak.
type KeycloakOptions struct {
	Enrols bool // the person has to register a security key when they sign in next
}

const realm = "lakekey"

var keycloak struct {
	sync.Mutex
	process *process
	issuer  string
}

// Keycloak returns the Keycloak that all tests of a process share, with a person of
// the test's own. It ends with the process.
func Keycloak(t testing.TB, o KeycloakOptions) *KeycloakProvider {
	t.Helper()
	issuer := sharedKeycloak(t)
	p := &KeycloakProvider{Provider: Provider{Issuer: issuer, Native: Client{ID: "native"}, Device: Client{ID: "device"}}}
	base, _, _ := strings.Cut(issuer, "/realms/")
	p.admin = &administrator{base: base, issuer: issuer}
	p.Person = p.admin.person(t, o)
	return p
}

func sharedKeycloak(t testing.TB) (issuer string) {
	t.Helper()
	server, database := installed(t, "keycloak", "server"), installed(t, "keycloak", "realm.mv.db")
	program(t, "java", "Keycloak")
	keycloak.Lock()
	defer keycloak.Unlock()
	if keycloak.process == nil {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		p, issuer, err := startKeycloak(ctx, server, database)
		if err != nil {
			t.Fatal(err)
		}
		keycloak.process, keycloak.issuer = p, issuer
	}
	t.Cleanup(func() { keycloak.process.confess(t) })
	return keycloak.issuer
}

var listening = regexp.MustCompile(`Listening on: http://127\.0\.0\.1:(\d+)`)

// startKeycloak starts a Keycloak on a copy of the database that .ci/idps filled, at
// a port that the system picks.
func startKeycloak(ctx context.Context, server, database string) (_ *process, issuer string, err error) {
	dir, err := os.MkdirTemp("", "lakekey-keycloak-")
	if err != nil {
		return nil, "", fmt.Errorf("idptest: %v", err)
	}
	if err := duplicate(filepath.Join(dir, "realm.mv.db"), database); err != nil {
		return nil, "", fmt.Errorf("idptest: copying Keycloak's database: %v", err)
	}
	p, err := launch(command{
		name: "keycloak", dir: dir, gentle: true,
		// Half a minute of a test's life is no reason to compile it well.
		env: []string{"JAVA_OPTS_APPEND=-XX:TieredStopAtLevel=1"},
		argv: []string{
			"/bin/bash", filepath.Join(server, "bin", "kc.sh"), "start", "--optimized", "--cache=local", "--http-enabled=true", "--http-host=127.0.0.1", "--http-port=0",
			"--hostname-strict=false", "--db-url=jdbc:h2:file:" + filepath.Join(dir, "realm") + ";NON_KEYWORDS=VALUE",
		},
	})
	if err != nil {
		return nil, "", err
	}
	port, err := p.await(ctx, func(line string) string {
		if found := listening.FindStringSubmatch(line); found != nil {
			return found[1]
		}
		return ""
	})
	issuer = "http://localhost:" + port + "/realms/" + realm
	if err == nil {
		err = p.ready(ctx, issuer)
	}
	if err != nil {
		p.end()
		return nil, "", err
	}
	return p, issuer, nil
}

func duplicate(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the copy is of no use
		return err
	}
	return out.Close()
}
