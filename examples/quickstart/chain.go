package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	sdk "github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/examples/internal/enroll"
	"github.com/lakekey/lakekey/examples/internal/keys"
	"github.com/lakekey/lakekey/examples/internal/provider"
	"github.com/lakekey/lakekey/oidc"
)

// person is who plays the user where nobody else does.
const person = "ada@example.com"

// moreCalls show that a session is asked for once.
const moreCalls = 20

// chain goes the way from a key to a verified audit log and tells of each step.
func chain(ctx context.Context, s settings, tell func(step, format string, args ...any)) (_ *result, err error) {
	key, err := openKey(ctx, s.key)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	w, err := openWorld(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	tell("", "One touch to a working Databricks session. %s\n", s.cast())
	r := &result{Issuer: w.issuer}

	begun := time.Now()
	registered, err := enroll.Register(ctx, w.invite.Reveal(), key)
	if err != nil {
		return nil, fmt.Errorf("registering the key: %w", err)
	}
	r.ElapsedMS.Register = since(begun)
	if err := w.admit(registered.User); err != nil {
		return nil, err
	}
	r.User, r.CredentialID, r.AAGUID, r.Attestation = registered.User, registered.CredentialID, registered.AAGUID, registered.Attestation
	tell("1 register", "%s was invited and touched the key. The provider now knows its public key,\ncredential %.12s…, attestation %q: %s.  (%.0f ms)", r.User, r.CredentialID, r.Attestation, attests(r.Attestation), r.ElapsedMS.Register)

	begun = time.Now()
	idp, err := oidc.Discover(ctx, w.issuer, oidc.Options{})
	if err != nil {
		return nil, fmt.Errorf("-issuer %s: %w", w.issuer, err)
	}
	session, err := oidc.SignIn(ctx, idp, key, oidc.SignInRequest{ClientID: provider.ClientID, Audience: provider.ClientID, LoginCommand: "quickstart"})
	if err != nil {
		return nil, fmt.Errorf("signing in: %w", err)
	}
	defer session.Close(context.WithoutCancel(ctx))
	if err := r.signedIn(ctx, session); err != nil {
		return nil, err
	}
	r.ElapsedMS.SignIn = since(begun)
	tell("2 sign in", "A second touch signed the provider's challenge: session %s until %s.\nIts ID token says %q, phishing-resistant, by %q, and is signed with %s.  (%.0f ms)", r.SessionID, clock(session.Expires()), r.SubjectToken.ACR, strings.Join(r.SubjectToken.AMR, " "), r.SubjectToken.Algorithm, r.ElapsedMS.SignIn)

	if err := r.use(ctx, s, w, session, tell); err != nil {
		return nil, err
	}
	if r.Audit, err = w.verifyAudit(ctx); err != nil {
		return nil, fmt.Errorf("verifying the audit log: %w", err)
	}
	tell("5 audit", "%d records, each intent before its token; Merkle root %.16s…, verified.", r.Audit.Records, r.Audit.Root)
	r.Touches = key.Touches()
	tell("", "\nTouches of the key: %d, and as many after a thousand calls more.%s", r.Touches, w.farewell())
	return r, nil
}

// signedIn notes what the session proves.
func (r *result) signedIn(ctx context.Context, session *oidc.Session) error {
	token, err := session.IDToken(ctx, provider.ClientID)
	if err != nil {
		return fmt.Errorf("getting the ID token: %w", err)
	}
	if token.Subject != r.User {
		return fmt.Errorf("the ID token is about %s, and %s signed in", token.Subject, r.User)
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	head, _, _ := strings.Cut(token.Value.Reveal(), ".")
	if b, err := base64.RawURLEncoding.DecodeString(head); err != nil || json.Unmarshal(b, &header) != nil {
		return errors.New("the ID token has no header")
	}
	r.SessionID = session.ID()
	r.SubjectToken = subjectToken{Algorithm: header.Algorithm, ACR: token.ACR, AMR: token.AMR, Expires: token.Expires.Unix()}
	return nil
}

// use exchanges the session for a Databricks token and calls Databricks with it,
// through the SDK that everybody uses.
func (r *result) use(ctx context.Context, s settings, w *world, session *oidc.Session, tell func(step, format string, args ...any)) error {
	begun := time.Now()
	source, err := databricks.NewTokenSource(session, databricks.Config{Host: w.host, Scopes: strings.Fields(s.scopes), Audit: w.log})
	if err != nil {
		return fmt.Errorf("-host %s: %w", w.host, err)
	}
	defer source.Close()
	token, err := source.Token(ctx)
	if err != nil {
		return fmt.Errorf("getting a token for %q: %w", s.scopes, err)
	}
	r.ElapsedMS.Exchange = since(begun)
	r.Workspace = source.Host()
	r.DatabricksToken = databricksToken{Scope: strings.Join(token.Scopes, " "), Expires: token.Expires.Unix()}
	tell("3 exchange", "The workspace checked the ID token against its federation policy and gave a token\nfor %q until %s.  (%.0f ms)", r.DatabricksToken.Scope, clock(token.Expires), r.ElapsedMS.Exchange)

	begun = time.Now()
	strategy := databricks.NewStrategy(source)
	client, err := sdk.NewWorkspaceClient(&sdk.Config{Host: source.Host(), Credentials: strategy, HTTPTransport: strategy.Transport(nil)})
	if err != nil {
		return fmt.Errorf("configuring the Databricks SDK: %w", err)
	}
	me, err := client.CurrentUser.Me(ctx, iam.MeRequest{})
	if err != nil {
		return fmt.Errorf("asking %s who is calling: %w", w.host, err)
	}
	if me.UserName != r.User {
		return fmt.Errorf("%s takes the caller for %s, and %s signed in", w.host, me.UserName, r.User)
	}
	r.ElapsedMS.FirstCall = since(begun)
	r.CurrentUser = me.UserName
	for range moreCalls {
		if _, err := client.CurrentUser.Me(ctx, iam.MeRequest{}); err != nil {
			return fmt.Errorf("asking %s again: %w", w.host, err)
		}
	}
	tell("4 use", "The Databricks SDK for Go asked the workspace who is calling: %s.  (%.0f ms)\nIt asked %d times more, with no touch and no other token.", me.UserName, r.ElapsedMS.FirstCall, moreCalls)
	return nil
}

// cast says who plays which part.
func (s *settings) cast() string {
	switch {
	case s.issuer == "" && s.key.Key == "":
		return "On this machine, a software key\n(touched for you), an identity provider and a stand-in for a workspace play their parts."
	case s.issuer == "":
		return "Your key and, on this\nmachine, an identity provider and a stand-in for a workspace play their parts."
	case s.host == "":
		return "Your provider at " + s.issuer + "\nand, on this machine, a stand-in for a workspace play their parts."
	default:
		return "Your provider at " + s.issuer + "\nand your workspace at " + s.host + " play their parts."
	}
}

func openKey(ctx context.Context, spec keys.Spec) (*keys.Key, error) {
	if spec.Key == "" {
		return keys.Memory()
	}
	return spec.Open(ctx)
}

// attests says what an attestation verdict means.
func attests(verdict string) string {
	switch verdict {
	case "rooted":
		return "its maker vouches for it"
	case "self":
		return "the key vouches for itself, as software keys do"
	default:
		return "nobody vouches for it"
	}
}

func since(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }

func clock(t time.Time) string { return t.Local().Format("Mon 15:04") }
