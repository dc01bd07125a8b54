package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/assurance"
)

// record is a session as a Store keeps it.
type record struct {
	Version  int
	Issuer   string
	ClientID string
	ID       string
	SID      string `json:",omitzero"`
	Subject  string
	Nonce    string `json:",omitzero"`
	ACR      string
	Proof    assurance.Claims // of the sign-in
	AuthTime time.Time
	Ends     time.Time
	Native   bool `json:",omitzero"`

	RefreshToken string `json:",omitzero"`
	Key          []byte `json:",omitzero"` // of DPoP, PKCS #8

	Tokens map[string]keptToken `json:",omitzero"` // by audience

	// Renewing is when a renewal began whose end nobody wrote down: if a process
	// was cut off, or the answer lost, the refresh token may be a spent one.
	Renewing time.Time `json:",omitzero"`
}

// keptToken is an IDToken.
type keptToken struct {
	Value             string
	ID, Session       string `json:",omitzero"`
	ACR               string
	AMR               []string `json:",omitzero"`
	AuthTime          time.Time
	IssuedAt, Expires time.Time
}

const (
	recordVersion = 1
	maxRecord     = 1 << 20
	// spare is what a record may grow by in a renewal: a refresh token and an ID
	// token, each as long as an answer can be.
	spare = 2 * maxAnswer
)

// Format keeps a record out of whatever prints it.
func (r *record) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "[kept session]") }

var errDamaged = errors.New("it is no kept session of this issuer and client")

func parseRecord(data []byte, issuer, clientID string) (*record, error) {
	r := &record{}
	if len(data) > maxRecord || json.Unmarshal(data, r) != nil {
		return nil, errDamaged
	}
	if r.Version != recordVersion || r.Issuer != issuer || r.ClientID != clientID || !sessionID.MatchString(r.ID) || r.Subject == "" || r.Ends.IsZero() {
		return nil, errDamaged
	}
	return r, nil
}

// credentials are the record's.
func (r *record) credentials() (*credentials, error) {
	held := &credentials{refreshToken: secret.New(r.RefreshToken)}
	if len(r.Key) == 0 {
		return held, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(r.Key)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, errDamaged
	}
	held.prover, err = proverOf(key)
	return held, err
}

// keep puts credentials into the record.
func (r *record) keep(held *credentials) error {
	r.RefreshToken, r.Key = held.refreshToken.Reveal(), nil
	if held.prover == nil {
		return nil
	}
	var err error
	if r.Key, err = x509.MarshalPKCS8PrivateKey(held.prover.key); err != nil {
		return fmt.Errorf("oidc: keeping the session's key: %v", err)
	}
	return nil
}

// add puts a token into the record, and takes out what has expired.
func (r *record) add(t *IDToken, now time.Time) {
	maps.DeleteFunc(r.Tokens, func(_ string, old keptToken) bool { return !now.Before(old.Expires) })
	if r.Tokens == nil {
		r.Tokens = map[string]keptToken{}
	}
	r.Tokens[t.Audience] = keptToken{
		Value: t.Value.Reveal(), ID: t.ID, Session: t.Session, ACR: t.ACR, AMR: t.AMR,
		AuthTime: t.AuthTime, IssuedAt: t.IssuedAt, Expires: t.Expires,
	}
}

// token returns the record's token for audience, if it would not be renewed now
// by who holds it: package refresh says when that is.
func (r *record) token(audience string, now time.Time) (*IDToken, bool) {
	k, ok := r.Tokens[audience]
	lifetime := k.Expires.Sub(k.IssuedAt)
	ahead := min(2*max(time.Minute, lifetime/10), lifetime/3*2)
	if lifetime < 10*time.Second {
		ahead = 0
	}
	if !ok || !now.Before(k.Expires.Add(-ahead)) {
		return nil, false
	}
	return &IDToken{
		Value: secret.New(k.Value), Issuer: r.Issuer, Audience: audience, Subject: r.Subject, ID: k.ID, Session: k.Session,
		ACR: k.ACR, AMR: k.AMR, AuthTime: k.AuthTime, IssuedAt: k.IssuedAt, Expires: k.Expires,
	}, true
}
