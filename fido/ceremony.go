package fido

import (
	"encoding/json"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// Purpose says what a ceremony is for. A response to one purpose is worth
// nothing for another.
type Purpose string

// The purposes of ceremonies.
const (
	PurposeRegistration Purpose = "registration"
	PurposeSignIn       Purpose = "sign-in"
	PurposeStepUp       Purpose = "step-up"
)

// Ceremony is what a client needs to carry out a ceremony that has begun.
type Ceremony struct {
	// ID finishes the ceremony, once. It goes to the client that is to do so and
	// to nobody else.
	ID secret.Value
	// Options is a PublicKeyCredentialCreationOptionsJSON or
	// PublicKeyCredentialRequestOptionsJSON object.
	Options json.RawMessage
	Expires time.Time
}

// RegistrationRequest says who wants to register a key. Exactly one of Invite
// and UserHandle is set.
type RegistrationRequest struct {
	Invite     secret.Value // from RelyingParty.Invite
	UserHandle []byte       // somebody who has just signed in and adds another key; the caller vouches for it
	SignedInBy []byte       // with UserHandle: the ID of the key that they signed in with. What it has begun ends with it: see FinishRegistration
	Name       string       // what the key is to be called; empty: it gets a name
	RemoteAddr string       // for the audit log
	UserAgent  string       // likewise

	// Conditional is for a page that asks the client to make a passkey while it
	// signs the person in by other means, with mediation "conditional". The
	// client may then do so without a touch.
	// https://www.w3.org/TR/webauthn-3/#enumdef-credentialmediationrequirement
	Conditional bool
}

// SignInRequest says who wants to sign in.
type SignInRequest struct {
	Purpose    Purpose // PurposeSignIn, which is also meant by "", or PurposeStepUp
	UserName   string  // empty: whoever the key knows; a step-up must name the person
	RemoteAddr string  // for the audit log
	UserAgent  string  // likewise
}
