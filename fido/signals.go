package fido

import (
	"context"
	"encoding/json"
	"fmt"
)

// Signals are what a page tells the client about a person's passkeys, so that a
// revoked one vanishes from their password manager and a new name appears there.
// Each is an argument of the method of PublicKeyCredential that it is named
// after. They go to the person alone, and after a sign-in.
// https://www.w3.org/TR/webauthn-3/#sctn-signal-methods
type Signals struct {
	AllAcceptedCredentials json.RawMessage `json:"allAcceptedCredentials"`
	CurrentUserDetails     json.RawMessage `json:"currentUserDetails"`
}

// Signals returns them for a person, or ErrNotFound.
func (p *RelyingParty) Signals(ctx context.Context, userHandle []byte) (*Signals, error) {
	user, err := p.User(ctx, userHandle)
	if err != nil {
		return nil, err
	}
	credentials, err := p.store.Credentials(ctx, userHandle)
	if err != nil {
		return nil, fmt.Errorf("reading the user's credentials: %w", err)
	}
	// Pending and quarantined keys stay: a client may delete what is missing here,
	// and nothing brings it back.
	ids := []b64{}
	for _, c := range notRevoked(credentials) {
		ids = append(ids, c.ID)
	}
	var s Signals
	if s.AllAcceptedCredentials, err = encode(struct {
		RPID   string `json:"rpId"`
		UserID b64    `json:"userId"`
		IDs    []b64  `json:"allAcceptedCredentialIds"`
	}{p.cfg.ID, user.Handle, ids}); err != nil {
		return nil, err
	}
	s.CurrentUserDetails, err = encode(struct {
		RPID        string `json:"rpId"`
		UserID      b64    `json:"userId"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	}{p.cfg.ID, user.Handle, user.Name, user.DisplayName})
	if err != nil {
		return nil, err
	}
	return &s, nil
}
