package oidctest

import (
	"strings"
	"time"
)

// Fault is one way to be wrong.
type Fault string

// Faults of every ID token.
const (
	AlgNone          Fault = "alg is none and the token has no signature"
	HS256PublicKey   Fault = "alg is HS256 with the public key as the secret"
	EmbeddedKey      Fault = "the header carries the key that signed, which nobody published"
	ForeignSignature Fault = "signed by another key under a published kid"
	UnknownKey       Fault = "signed by a key that is not published"
	AccessTokenType  Fault = "typ is at+jwt"
	LogoutTokenType  Fault = "typ is logout+jwt"
	CriticalHeader   Fault = "the header says crit"
	WrongIssuer      Fault = "iss is another issuer"
	WrongAudience    Fault = "aud is another audience"
	TwoAudiences     Fault = "aud names a second audience"
	WrongClient      Fault = "azp is another client"
	NoClient         Fault = "azp is missing"
	NoSubject        Fault = "sub is missing"
	NumericSubject   Fault = "sub is a number"
	Expired          Fault = "exp was a second ago"
	NoExpiry         Fault = "exp is missing"
	FarExpiry        Fault = "exp is in the year 2500"
	NoIssuedAt       Fault = "iat is missing"
	OldIssuedAt      Fault = "iat was ten years ago"
	FutureIssuedAt   Fault = "iat is in an hour"
	NotYetValid      Fault = "nbf is in four minutes"
	WeakACR          Fault = "acr is weaker than asked"
	NoACR            Fault = "acr is missing"
	CaseACR          Fault = "acr is right but for its case"
	StaleAuthTime    Fault = "auth_time was two hours ago"
	FutureAuthTime   Fault = "auth_time is in an hour"
	NoAuthTime       Fault = "auth_time is missing"
	WrongHash        Fault = "at_hash belongs to another access token"
	NoSession        Fault = "sid is missing"
	UnsafeSession    Fault = "sid is not fit for a header"
	DuplicateMember  Fault = "sub stands twice"
	NestedDuplicate  Fault = "a member of a nested object stands twice"
	UpperCaseMember  Fault = "AUD stands beside aud"
	MiswrittenMember Fault = "NBF stands instead of nbf"
	TrailingData     Fault = "something follows the claims"
	HugeIDToken      Fault = "the token is 100 KiB long"
)

// Faults of refreshed ID tokens; the sign-in itself is as it should be.
const (
	OtherSubjectLater Fault = "a refreshed token is another person's"
	OtherSessionLater Fault = "a refreshed token is another session's"
	AuthTimeMoves     Fault = "a refreshed token has a later auth_time"
	ACRMoves          Fault = "a refreshed token has another acr"
	OutlivesSession   Fault = "a refreshed token outlives the session"
)

// Faults of a sign-in by browser.
const (
	OtherNonce     Fault = "nonce is another sign-in's"
	NoNonce        Fault = "nonce is missing"
	OtherAnswerer  Fault = "iss of the answer is another issuer"
	NoAnswerer     Fault = "iss of the answer is missing"
	NoCode         Fault = "the answer holds no code"
	Denied         Fault = "the answer is access_denied"
	FailingPush    Fault = "the pushed request is answered with 500"
	ForeignBrowser Fault = "the authorization endpoint is on another origin"
)

// Faults of endpoints.
const (
	HugeDiscovery       Fault = "the discovery document is 64 MiB long"
	HungDiscovery       Fault = "the discovery document never comes"
	RedirectedDiscovery Fault = "the discovery document has moved to another origin"
	ForeignIssuer       Fault = "the discovery document is another issuer's"
	ForeignEndpoint     Fault = "the token endpoint is on another origin"
	ForeignKeys         Fault = "the keys are on another origin"
	DuplicateEndpoint   Fault = "token_endpoint stands twice in the discovery document"
	HugeKeys            Fault = "the key set is 64 MiB long"
	HungKeys            Fault = "the key set never comes"
	FailingKeys         Fault = "the key set is answered with 500"
	RedirectedKeys      Fault = "the key set has moved to another origin"
	EmptyKeys           Fault = "the key set is empty"
	EncryptionKeys      Fault = "the keys are for encryption only"
	NoChallenge         Fault = "the challenge holds no WebAuthn options"
	RedirectedChallenge Fault = "the challenge endpoint redirects"
	RedirectedToken     Fault = "the token endpoint redirects"
	HungToken           Fault = "the token endpoint never answers"
	HugeResponse        Fault = "the token response is 64 MiB long"
	DuplicateResponse   Fault = "id_token stands twice in the token response"
	Unavailable         Fault = "the token endpoint answers 503"
	Echo                Fault = "the token endpoint answers 500 and repeats what it was sent"
	Bearer              Fault = "token_type is Bearer: the session is not bound to its key"
	NoIDToken           Fault = "the token response holds no ID token"
	NoSessionEnd        Fault = "nothing says when the session ends"
	OtherSession        Fault = "session_id is not that of the ID token"
)

// Faults returns those that a client must refuse at sign-in, at the latest. Not
// among them are those that only refreshing shows.
func Faults() []Fault {
	return []Fault{
		AlgNone, HS256PublicKey, EmbeddedKey, ForeignSignature, UnknownKey, AccessTokenType, LogoutTokenType, CriticalHeader,
		WrongIssuer, WrongAudience, TwoAudiences, WrongClient, NoClient, NoSubject, NumericSubject,
		Expired, NoExpiry, FarExpiry, NoIssuedAt, OldIssuedAt, FutureIssuedAt, NotYetValid,
		WeakACR, NoACR, CaseACR, StaleAuthTime, FutureAuthTime, NoAuthTime, WrongHash, NoSession, UnsafeSession,
		DuplicateMember, NestedDuplicate, UpperCaseMember, MiswrittenMember, TrailingData, HugeIDToken,
		HugeDiscovery, HungDiscovery, RedirectedDiscovery, ForeignIssuer, ForeignEndpoint, ForeignKeys, DuplicateEndpoint,
		HugeKeys, HungKeys, FailingKeys, RedirectedKeys, EmptyKeys, EncryptionKeys,
		NoChallenge, RedirectedChallenge, RedirectedToken, HungToken, HugeResponse, DuplicateResponse, Unavailable, Echo,
		Bearer, NoIDToken, NoSessionEnd, OtherSession,
	}
}

// BrowserFaults returns those that a client must refuse when a person signs in by
// browser, beside [Faults].
func BrowserFaults() []Fault {
	return []Fault{OtherNonce, NoNonce, OtherAnswerer, NoAnswerer, NoCode, Denied, FailingPush, ForeignBrowser}
}

// RefreshFaults returns those that a client must refuse when it refreshes.
func RefreshFaults() []Fault {
	return []Fault{OtherSubjectLater, OtherSessionLater, AuthTimeMoves, ACRMoves, OutlivesSession}
}

// bend changes the claims of a token that is about to be signed.
func (f Fault) bend(claims map[string]any, now time.Time, refreshed bool) {
	switch f {
	case WrongIssuer:
		claims["iss"] = "https://idp.example"
	case WrongAudience:
		claims["aud"] = "someone-else"
	case TwoAudiences:
		claims["aud"] = []any{claims["aud"], "someone-else"}
	case WrongClient:
		claims["azp"] = "someone-else"
	case NoClient:
		delete(claims, "azp")
	case NoSubject:
		delete(claims, "sub")
	case NumericSubject:
		claims["sub"] = 7
	case Expired:
		claims["exp"] = now.Add(-time.Second).Unix()
	case NoExpiry:
		delete(claims, "exp")
	case FarExpiry:
		claims["exp"] = time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	case NoIssuedAt:
		delete(claims, "iat")
	case OldIssuedAt:
		claims["iat"] = now.AddDate(-10, 0, 0).Unix()
	case FutureIssuedAt:
		claims["iat"] = now.Add(time.Hour).Unix()
	case NotYetValid:
		claims["nbf"] = now.Add(4 * time.Minute).Unix()
	case WeakACR:
		claims["acr"] = "urn:okta:loa:1fa:any"
	case NoACR:
		delete(claims, "acr")
	case CaseACR:
		claims["acr"] = strings.ToUpper(claims["acr"].(string))
	case StaleAuthTime:
		claims["auth_time"] = now.Add(-2 * time.Hour).Unix()
	case FutureAuthTime:
		claims["auth_time"] = now.Add(time.Hour).Unix()
	case NoAuthTime:
		delete(claims, "auth_time")
	case WrongHash:
		claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA"
	case NoSession:
		delete(claims, "sid")
	case UnsafeSession:
		claims["sid"] = "a\r\nAuthorization: Bearer b"
	case NestedDuplicate:
		claims["address"] = []any{map[string]any{"country": "AT"}}
	case UpperCaseMember:
		claims["AUD"] = "someone-else"
	case MiswrittenMember:
		claims["NBF"] = now.Add(time.Hour).Unix()
	case HugeIDToken:
		claims["padding"] = strings.Repeat("a", 75<<10)
	case NoSessionEnd:
		delete(claims, "session_expiry")
	case OtherNonce:
		claims["nonce"] = "another"
	case NoNonce:
		delete(claims, "nonce")
	}
	if !refreshed {
		return
	}
	switch f {
	case OtherSubjectLater:
		claims["sub"] = "mallory@example.com"
	case OtherSessionLater:
		claims["sid"] = "another"
	case AuthTimeMoves:
		claims["auth_time"] = now.Unix()
	case ACRMoves:
		if claims["acr"] == "phrh" {
			claims["acr"] = "phr"
		} else {
			claims["acr"] = "phrh"
		}
	case OutlivesSession:
		claims["exp"] = claims["session_expiry"].(int64) + 3600
	}
}

// bendText changes the claims' text.
func (f Fault) bendText(claims string) string {
	switch f {
	case DuplicateMember:
		return strings.Replace(claims, `{`, `{"sub":"mallory@example.com",`, 1)
	case NestedDuplicate:
		return strings.Replace(claims, `{"country":"AT"}`, `{"country":"AT","country":"DE"}`, 1)
	case TrailingData:
		return claims + `{}`
	}
	return claims
}
