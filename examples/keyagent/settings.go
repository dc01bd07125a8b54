package main

import (
	"flag"
	"fmt"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/examples/internal/keys"
	"github.com/lakekey/lakekey/internal/origin"
)

// defaultClient is the public client that examples/idp serves.
const defaultClient = "lakekey"

// defaultScopes let a person look around and change nothing.
const defaultScopes = "clusters:read jobs:read model-serving:read"

// settings are the flags of an agent.
type settings struct {
	issuer, audience, scopes, listen, client string
	redirect, keep, keepKey                  string
	identity, oidcFile                       string
	anyUser                                  bool
	hosts                                    cli.List
	key                                      keys.Spec
}

func (s *settings) register(fs *flag.FlagSet) {
	fs.StringVar(&s.issuer, "issuer", "", "`URL` of the identity provider, such as http://localhost:8080")
	fs.Var(&s.hosts, "host", "`URL` of a Databricks workspace, such as https://dbc-….cloud.databricks.com; may be repeated: one touch serves them all")
	fs.StringVar(&s.audience, "audience", "", "the audience `AUD` of the federation policy; required where the host is neither under a Databricks domain nor on\nthis machine (default: the account id, which the host tells)")
	fs.StringVar(&s.scopes, "scopes", defaultScopes, "the `SCOPES` that the tokens may be used for, with spaces in between; ask for little")
	fs.StringVar(&s.listen, "listen", "127.0.0.1:0", "`ADDR` to serve the metadata service on, on this machine; port 0 chooses a free one")
	s.key.Ways = []string{byBrowser, byDevice}
	s.key.Register(fs, ",\nbrowser (sign in on the provider's page) or device (sign in on another machine, where you enter a code)")
	fs.StringVar(&s.redirect, "redirect", "", "with -key browser, the `URL` on this machine that the provider knows this program by; without a port for\nany that is free (default http://127.0.0.1/callback)")
	fs.StringVar(&s.keep, "keep", "", "keep the session in the directory `DIR`, sealed with a key in the keyring of this machine: every keyagent\nof yours that asks for the same shares it, and keyagent logout ends it (default: it ends with the program)")
	fs.StringVar(&s.keepKey, "keep-key", "", "with -keep, the `FILE` with the key, instead of the keyring; it is made if it is not there")
	fs.StringVar(&s.identity, "identity", "", "the user `NAME`, or the application id of a service principal, whom the hosts must take you for\n(default: the name that you sign in by)")
	fs.StringVar(&s.oidcFile, "oidc-file", "", "also keep an ID token in the `FILE`, for tools that know file-oidc only (Java); needs -audience")
	fs.BoolVar(&s.anyUser, "insecure-any-user", false, "serve processes of other users of this machine, too, or where the system does not say whose they are")
	fs.StringVar(&s.client, "client", defaultClient, "the client `ID` that the provider knows this program by")
}

func (s *settings) check() error {
	switch {
	case s.issuer == "":
		return cli.Usagef("-issuer is missing: where do you sign in? For instance -issuer http://localhost:8080")
	case len(s.hosts) == 0:
		return cli.Usagef("-host is missing: which workspace are the tokens for?")
	case len(strings.Fields(s.scopes)) == 0:
		return cli.Usagef("-scopes is empty: say what the tokens may be used for")
	}
	for _, host := range s.hosts {
		if _, err := origin.Parse(host); err != nil {
			return cli.Usagef("-host %s: %v", host, err)
		}
	}
	switch {
	case s.redirect != "" && s.key.Key != byBrowser:
		return cli.Usagef("-redirect %s: goes with -key browser only", s.redirect)
	case s.oidcFile != "" && s.audience == "":
		return cli.Usagef("-oidc-file %s: whom is the token for? Say -audience as the federation policy has it", s.oidcFile)
	case s.keepKey != "" && s.keep == "":
		return cli.Usagef("-keep-key %s: goes with -keep only", s.keepKey)
	}
	return s.key.Check()
}

// command is what a person types to sign in again.
func (s *settings) command() string {
	words := []string{"keyagent", "-issuer", s.issuer}
	for _, h := range s.hosts {
		words = append(words, "-host", h)
	}
	if s.audience != "" {
		words = append(words, "-audience", s.audience)
	}
	if s.scopes != defaultScopes {
		words = append(words, "-scopes", fmt.Sprintf("%q", s.scopes))
	}
	for _, f := range [][2]string{{"-redirect", s.redirect}, {"-keep", s.keep}, {"-keep-key", s.keepKey}, {"-identity", s.identity}, {"-oidc-file", s.oidcFile}} {
		if f[1] != "" {
			words = append(words, f[0], f[1])
		}
	}
	if s.client != defaultClient {
		words = append(words, "-client", s.client)
	}
	if s.anyUser {
		words = append(words, "-insecure-any-user")
	}
	return strings.Join(append(words, s.key.Words()...), " ")
}

// firstAudience is whom the ID token of the sign-in itself is for: the client,
// until a host says what it wants.
func (s *settings) firstAudience() string {
	if s.audience != "" {
		return s.audience
	}
	return s.client
}
