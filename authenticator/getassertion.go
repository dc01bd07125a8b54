package authenticator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// maxAssertions bounds how many accounts one key may offer at one RP ID.
const maxAssertions = 1000

func (d *ctap2) GetAssertion(ctx context.Context, req *GetAssertionRequest) ([]Assertion, error) {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	info, err := d.static(ctx, codec)
	if err != nil {
		return nil, err
	}
	verify := req.PIN != nil || req.BuiltInUV
	var auth *authorization
	if verify {
		if auth, err = d.authorize(ctx, codec, info, req.PIN, permitGetAssertion, req.RPID); err != nil {
			return nil, err
		}
		defer auth.wipe()
	}
	allow := req.Allow
	if info.overfull(allow) {
		if allow, err = d.present(ctx, codec, info, auth, req.RPID, allow); err != nil {
			return nil, err
		}
		if len(allow) == 0 { // not an empty list, which would mean any credential
			return nil, fmt.Errorf("signing: %w", ErrNoCredentials)
		}
	}
	wire := &wireAssertionRequest{RPID: req.RPID, ClientDataHash: req.ClientDataHash, Allow: wireDescriptors(allow)}
	if verify && auth == nil {
		wire.Options = map[string]bool{"uv": true}
	}
	wire.PINAuth, wire.PINProtocol = auth.proof(req.ClientDataHash)
	response, err := d.call(ctx, codec, cmdGetAssertion, wire)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	first, total, err := parseAssertion(codec, response, req.RPID, allow, verify)
	if err != nil {
		return nil, err
	}
	if total > maxAssertions {
		return nil, malformed("a number of credentials")
	}
	found := []Assertion{*first}
	for len(found) < total {
		response, err := d.call(ctx, codec, cmdGetNextAssertion, nil)
		if err != nil {
			return nil, fmt.Errorf("signing for another account: %w", err)
		}
		next, _, err := parseAssertion(codec, response, req.RPID, nil, verify)
		if err != nil {
			return nil, err
		}
		found = append(found, *next)
	}
	return found, nil
}

// parseAssertion reads one assertion and how many there are. allow is the list the
// key was given, empty for none.
func parseAssertion(codec *ctapCBOR, data []byte, rpID string, allow [][]byte, verified bool) (*Assertion, int, error) {
	w, err := parse[wireAssertion](codec, data, "an assertion")
	if err != nil {
		return nil, 0, err
	}
	a, err := parseAuthData(codec, w.AuthData)
	if err != nil {
		return nil, 0, err
	}
	if err := a.check(rpID, false, verified); err != nil {
		return nil, 0, err
	}
	assertion := &Assertion{AuthenticatorData: w.AuthData, Signature: w.Signature}
	switch {
	case w.Credential != nil && w.Credential.Type == publicKeyType:
		assertion.CredentialID = w.Credential.ID
	case w.Credential == nil && len(allow) == 1:
		// "May be omitted if the allowList has exactly one credential."
		assertion.CredentialID = allow[0]
	}
	if len(assertion.CredentialID) == 0 || len(assertion.Signature) == 0 || w.Total < 0 {
		return nil, 0, malformed("an assertion")
	}
	if len(allow) > 0 && !contains(allow, assertion.CredentialID) {
		return nil, 0, malformed("an assertion by a credential that was not asked for")
	}
	if w.User != nil {
		if len(w.User.ID) > 64 {
			return nil, 0, malformed("a user handle")
		}
		assertion.User = User(*w.User)
	}
	return assertion, w.Total, nil
}

func contains(list [][]byte, id []byte) bool {
	return slices.ContainsFunc(list, func(other []byte) bool { return bytes.Equal(other, id) })
}

// overfull reports whether a credential list cannot be sent as it is: too many for
// the key, or with IDs longer than any of its own.
func (i *Info) overfull(ids [][]byte) bool {
	return i.MaxCredentialCount > 0 && len(ids) > i.MaxCredentialCount || len(i.fitting(ids)) != len(ids)
}

// fitting leaves out the IDs that are too long to be this key's.
func (i *Info) fitting(ids [][]byte) [][]byte {
	if i.MaxCredentialIDLength == 0 {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id []byte) bool { return len(id) > i.MaxCredentialIDLength })
}

// present asks the key, in silence and a part at a time, which of the credentials
// are its own, and returns the first part's answer that names one. The signatures
// are over zeros: nothing that a relying party would accept.
func (d *ctap2) present(ctx context.Context, codec *ctapCBOR, info *Info, auth *authorization, rpID string, ids [][]byte) ([][]byte, error) {
	hash := make([]byte, 32)
	for chunk := range slices.Chunk(info.fitting(ids), max(1, info.MaxCredentialCount)) {
		wire := &wireAssertionRequest{
			RPID: rpID, ClientDataHash: hash, Allow: wireDescriptors(chunk), Options: map[string]bool{"up": false},
		}
		wire.PINAuth, wire.PINProtocol = auth.proof(hash)
		response, err := d.call(ctx, codec, cmdGetAssertion, wire)
		if errors.Is(err, ErrNoCredentials) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for a credential: %w", err)
		}
		found, err := parse[wireAssertion](codec, response, "an assertion")
		if err != nil {
			return nil, err
		}
		if found.Credential == nil {
			return chunk[:1], nil // omitted only when one was asked for
		}
		if !contains(chunk, found.Credential.ID) {
			return nil, malformed("an assertion by a credential that was not asked for")
		}
		return [][]byte{found.Credential.ID}, nil
	}
	return nil, nil
}
