package idptest

import "testing"

// Zitadel starts the example provider of zitadel/oidc. Its issuer ends with a slash.
// Its ID tokens always say amr pwd and auth_time, whatever was asked; a
// device gets an access token and no ID token. The redirectURIs are
// those of the client Web.
func Zitadel(t testing.TB, redirectURIs ...string) *Provider {
	t.Helper()
	var at struct{ Issuer string }
	argv := []string{installed(t, "zitadel")}
	for _, uri := range redirectURIs {
		argv = append(argv, "-web", uri)
	}
	start(t, command{name: "zitadel", dir: t.TempDir(), argv: argv}, &at)
	return &Provider{
		Issuer: at.Issuer,
		Native: Client{ID: "native"},
		Device: Client{ID: "device", Secret: "device-secret"},
		Web:    Client{ID: "web", Secret: "web-secret"},
		Person: Person{Name: "test-user@127.0.0.1", Password: "verysecure", Subject: "id1"},
	}
}
