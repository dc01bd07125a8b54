package fido

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
)

// whoIs returns the handle and credentials of the person called name. For a name
// that nobody has, or whose owner has no key yet, it makes them up, the same
// each time: otherwise the options would tell who works here, as §14.6.2 warns.
// https://www.w3.org/TR/webauthn-3/#sctn-username-enumeration
func (p *RelyingParty) whoIs(ctx context.Context, name string) ([]byte, []credentialRef, error) {
	key, err := userKey(name)
	if err != nil {
		return p.nobody(ctx, name)
	}
	user, err := p.store.UserByKey(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return p.nobody(ctx, key)
	} else if err != nil {
		return nil, nil, fmt.Errorf("reading the user: %w", err)
	}
	credentials, err := p.store.Credentials(ctx, user.Handle)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the user's credentials: %w", err)
	}
	if unrevoked := notRevoked(credentials); len(unrevoked) > 0 {
		credentials = unrevoked
	}
	if len(credentials) == 0 {
		return p.nobody(ctx, key)
	}
	// Pending and quarantined credentials are among them, and revoked ones if
	// there are no others: their holder is told so when the signature is right,
	// rather than that the key is unknown.
	return user.Handle, references(credentials), nil
}

// decoyShapes are lengths of credential IDs and the transports reported with
// them, as they are found among registered keys.
var decoyShapes = [...]struct {
	length     int
	transports []string
}{
	{64, []string{"usb"}},
	{48, []string{"nfc", "usb"}},
	{64, []string{"nfc", "usb"}},
	{32, []string{"internal"}},
	{32, []string{"usb"}}, // lakekey's own softkey, among others
}

// nobody derives a handle and credentials from the name and the store's secret.
func (p *RelyingParty) nobody(ctx context.Context, key string) ([]byte, []credentialRef, error) {
	seed, err := p.seed(ctx)
	if err != nil {
		return nil, nil, err
	}
	derive := func(what string) []byte {
		mac := hmac.New(sha256.New, seed)
		_, _ = fmt.Fprintf(mac, "lakekey/fido decoy %s %s", what, key)
		return mac.Sum(nil)
	}
	shape := derive("shape")
	form := decoyShapes[int(shape[0])%len(decoyShapes)]
	refs := make([]credentialRef, 1+shape[1]%2)
	for i := range refs {
		id := append(derive(fmt.Sprintf("id %d", 2*i)), derive(fmt.Sprintf("id %d", 2*i+1))...)
		refs[i] = credentialRef{Type: publicKeyType, ID: id[:form.length], Transports: form.transports}
	}
	return derive("handle"), refs, nil
}

// pretend does for a credential that was made up what is done for a real one, and
// makes nothing of it: the time that a wrong signature takes to be refused would
// otherwise tell a name that nobody has.
func (p *RelyingParty) pretend(ctx context.Context, r *CeremonyRecord, a *assertion) {
	if len(r.UserHandle) == 0 {
		return
	}
	_, _ = p.store.User(ctx, r.UserHandle)
	_, _ = p.verifyAssertion(r, a, &Credential{key: p.nobodys})
}
