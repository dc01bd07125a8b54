package softkey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
)

// Subcommands of authenticatorCredentialManagement, CTAP 2.1 §6.8.
const (
	subMetadata        = 0x01
	subFirstRP         = 0x02
	subNextRP          = 0x03
	subFirstCredential = 0x04
	subNextCredential  = 0x05
	subDelete          = 0x06
	subUpdateUser      = 0x07
)

// listing is what the subcommands that go on still have to tell: one of the two.
type listing struct {
	rpIDs       []string
	credentials []credential
}

// credentialManagement is authenticatorCredentialManagement. Only discoverable
// credentials exist for it.
func (k *Key) credentialManagement(_ context.Context, m params) ([]byte, error) {
	sub, err := required[int64](m, 1)
	if err != nil {
		return nil, err
	}
	rest := k.listing
	k.listing = nil // whatever else is asked for ends a listing
	switch sub {
	case subNextRP:
		if rest == nil || len(rest.rpIDs) == 0 {
			return nil, errNotAllowed
		}
		return k.tellRP(rest.rpIDs, 0), nil
	case subNextCredential:
		if rest == nil || len(rest.credentials) == 0 {
			return nil, errNotAllowed
		}
		return k.tellCredential(rest.credentials, 0)
	}
	details, _, err := optional[map[any]any](m, 2)
	if err != nil {
		return nil, err
	}
	message := []byte{byte(sub)}
	handlers := map[int64]func(params, *token) ([]byte, error){
		subMetadata:        k.metadata,
		subFirstRP:         k.firstRP,
		subFirstCredential: k.firstCredential,
		subDelete:          k.deleteCredential,
		subUpdateUser:      k.updateUser,
	}
	handler, known := handlers[sub]
	if !known {
		return nil, errInvalidSubcommand
	}
	if sub >= subFirstCredential {
		if details == nil {
			return nil, errMissingParameter
		}
		message = append(message, reencode(details)...)
	}
	token, err := k.authorizeCommand(m, 3, permitCredentialManagement, message)
	if err != nil {
		return nil, err
	}
	return handler(details, token)
}

func (k *Key) discoverable() int {
	n := 0
	for _, c := range k.credentials {
		if c.Discoverable {
			n++
		}
	}
	return n
}

func (k *Key) metadata(_ params, t *token) ([]byte, error) {
	if t.rpID != "" {
		return nil, errPINAuthInvalid
	}
	return encode(nil, map[any]any{1: k.discoverable(), 2: maxCredentials - len(k.credentials)}), nil
}

func (k *Key) firstRP(_ params, t *token) ([]byte, error) {
	if t.rpID != "" {
		return nil, errPINAuthInvalid
	}
	var rpIDs []string
	for _, c := range k.credentials {
		if c.Discoverable && !slices.Contains(rpIDs, c.RPID) {
			rpIDs = append(rpIDs, c.RPID)
		}
	}
	if len(rpIDs) == 0 {
		return nil, errNoCredentials
	}
	return k.tellRP(rpIDs, len(rpIDs)), nil
}

// tellRP tells the first and keeps the others; total is told with the very first.
func (k *Key) tellRP(rpIDs []string, total int) []byte {
	k.listing = &listing{rpIDs: rpIDs[1:]}
	hash := sha256.Sum256([]byte(rpIDs[0]))
	response := map[any]any{3: map[any]any{"id": rpIDs[0]}, 4: hash[:]}
	if total > 0 {
		response[5] = total
	}
	return encode(nil, response)
}

func (k *Key) firstCredential(details params, t *token) ([]byte, error) {
	hash, err := required[[]byte](details, 1)
	if err != nil {
		return nil, err
	}
	var found []credential
	for _, c := range slices.Backward(k.credentials) {
		if sum := sha256.Sum256([]byte(c.RPID)); c.Discoverable && bytes.Equal(sum[:], hash) {
			found = append(found, c)
		}
	}
	if t.rpID != "" {
		if sum := sha256.Sum256([]byte(t.rpID)); !bytes.Equal(sum[:], hash) {
			return nil, errPINAuthInvalid
		}
	}
	if len(found) == 0 {
		return nil, errNoCredentials
	}
	return k.tellCredential(found, len(found))
}

func (k *Key) tellCredential(found []credential, total int) ([]byte, error) {
	c := found[0]
	public, err := c.cosePublicKey()
	if err != nil {
		return nil, errOther
	}
	k.listing = &listing{credentials: found[1:]}
	response := map[any]any{
		6:  map[any]any{"id": c.UserID, "name": c.UserName, "displayName": c.DisplayName},
		7:  map[any]any{"id": c.ID, "type": "public-key"},
		8:  public,
		10: c.Protection,
	}
	if total > 0 {
		response[9] = total
	}
	return encode(nil, response), nil
}

// managed finds the credential that a request names.
func (k *Key) managed(details params, t *token) (int, error) {
	descriptor, err := required[map[any]any](details, 2)
	if err != nil {
		return 0, err
	}
	ids, err := credentialIDs([]any{descriptor})
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(k.credentials, func(c credential) bool {
		return c.Discoverable && len(ids) == 1 && bytes.Equal(c.ID, ids[0])
	})
	if i < 0 {
		return 0, errNoCredentials
	}
	if t.rpID != "" && t.rpID != k.credentials[i].RPID {
		return 0, errPINAuthInvalid
	}
	return i, nil
}

func (k *Key) deleteCredential(details params, t *token) ([]byte, error) {
	i, err := k.managed(details, t)
	if err != nil {
		return nil, err
	}
	return nil, k.commit(func(s *state) { s.credentials = slices.Delete(s.credentials, i, i+1) })
}

// updateUser is updateUserInformation: the names change, whose account it is does
// not: "If the … user.id … does not match … return CTAP1_ERR_INVALID_PARAMETER."
func (k *Key) updateUser(details params, t *token) ([]byte, error) {
	user, err := required[map[any]any](details, 3)
	if err != nil {
		return nil, err
	}
	var updated creation
	if err := updated.parseUser(user); err != nil {
		return nil, err
	}
	i, err := k.managed(details, t)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(updated.UserID, k.credentials[i].UserID) {
		return nil, errInvalidParameter
	}
	return nil, k.commit(func(s *state) {
		s.credentials[i].UserName, s.credentials[i].DisplayName = updated.UserName, updated.DisplayName
	})
}
