package authenticator

import (
	"bytes"
	"context"
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
	if d.u2f != nil {
		found, err := d.u2f.getAssertion(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		return found, nil
	}
	verify := req.PIN != nil || req.BuiltInUV
	var auth *authorization
	if verify {
		permissions := permitGetAssertion
		if req.WriteLargeBlob != nil && info.keepsLargeBlobs() {
			permissions |= permitLargeBlobWrite
		}
		if auth, err = d.authorize(ctx, codec, info, req.PIN, permissions, req.RPID); err != nil {
			return nil, err
		}
		defer auth.wipe()
	}
	salts, allow, err := d.salted(ctx, codec, info, auth, req)
	if err != nil {
		return nil, err
	}
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
	var secrets *pinSession
	if len(salts) > 0 {
		input, session, err := d.sealSalts(ctx, codec, info, salts)
		if err != nil {
			return nil, err
		}
		defer session.wipe()
		wire.extend("hmac-secret", input)
		secrets = session
	}
	blobs := info.keepsLargeBlobs() && (req.ReadLargeBlob || req.WriteLargeBlob != nil)
	if blobs {
		wire.extend("largeBlobKey", true)
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
		next, _, err := parseAssertion(codec, response, req.RPID, allow, verify)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(found, func(a Assertion) bool { return bytes.Equal(a.CredentialID, next.CredentialID) }) {
			return nil, malformed("two assertions by one credential")
		}
		found = append(found, *next)
	}
	for i := range found {
		if secrets == nil {
			break
		}
		if found[i].Secrets, err = openSecrets(codec, secrets, found[i].AuthenticatorData, len(salts)); err != nil {
			return nil, err
		}
	}
	if blobs {
		session := &blobSession{device: d, codec: codec, info: info, auth: auth}
		if err := session.serve(ctx, req, found); err != nil {
			return nil, err
		}
	}
	for i := range found {
		found[i].blobKey = nil // of a key that tells it unasked
	}
	return found, nil
}

func (w *wireAssertionRequest) extend(name string, input any) {
	if w.Extensions == nil {
		w.Extensions = make(map[string]any)
	}
	w.Extensions[name] = input
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
	assertion := &Assertion{AuthenticatorData: w.AuthData, Signature: w.Signature, blobKey: w.BlobKey}
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
