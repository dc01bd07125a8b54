package softkey

import (
	"context"
	"slices"
	"time"
)

// nextPeriod is how long getNextAssertion may follow (CTAP 2.1 §6.3).
const nextPeriod = 30 * time.Second

// pendingAssertions are the credentials that getNextAssertion still has to sign
// with.
type pendingAssertions struct {
	ids        [][]byte
	rpID       string
	clientHash []byte
	flags      byte
	salts      *salts // nil: no hmac-secret was asked for
	largeBlob  bool   // whether largeBlobKey was
	since      time.Time
}

// getAssertion is authenticatorGetAssertion, §6.2.
func (k *Key) getAssertion(ctx context.Context, m params) ([]byte, error) {
	var c ceremony
	var err error
	if c.rpID, err = required[string](m, 1); err != nil {
		return nil, err
	}
	if c.clientHash, err = required[[]byte](m, 2); err != nil {
		return nil, err
	}
	list, listed, err := optional[[]any](m, 3)
	if err != nil {
		return nil, err
	}
	if listed && len(list) == 0 {
		return nil, errInvalidParameter // "If present, MUST be non-empty"
	}
	allow, err := credentialIDs(list)
	if err != nil {
		return nil, err
	}
	extensions, _, err := optional[map[any]any](m, 4)
	if err != nil {
		return nil, err
	}
	salts, err := k.parseSalts(extensions)
	if err != nil {
		return nil, err
	}
	largeBlob, err := wantsBlobKey(extensions)
	if err != nil {
		return nil, err
	}
	if err := k.begin(ctx, m, &c, ceremonyKeys{options: 5, proof: 6, protocol: 7}, permitGetAssertion); err != nil {
		return nil, err
	}
	if _, present := c.options["rk"]; present {
		return nil, errUnsupportedOption
	}
	if salts != nil && !c.up {
		return nil, errUnsupportedOption // "If "up" is set to false, authenticator returns CTAP2_ERR_UNSUPPORTED_OPTION"
	}
	found := k.candidates(&c, listed, allow)
	if len(found) == 0 {
		return nil, errNoCredentials
	}
	var flags byte
	if c.verified {
		flags |= flagUV
	}
	if c.up {
		if err := k.touch(ctx, &c); err != nil {
			return nil, err
		}
		flags |= flagUP
	}
	if listed {
		found = found[:1]
	}
	p := &pendingAssertions{ids: found, rpID: c.rpID, clientHash: slices.Clone(c.clientHash), flags: flags, salts: salts, largeBlob: largeBlob}
	return k.assert(p, len(found))
}

// nextAssertion is authenticatorGetNextAssertion.
func (k *Key) nextAssertion(p *pendingAssertions) ([]byte, error) {
	if p == nil || k.opts.Now().Sub(p.since) > nextPeriod {
		return nil, errNotAllowed
	}
	return k.assert(p, 0)
}

// candidates returns the IDs of the credentials that may answer, the most recently
// created first.
func (k *Key) candidates(c *ceremony, listed bool, allow [][]byte) [][]byte {
	var ids [][]byte
	for _, cred := range slices.Backward(k.credentials) {
		if cred.RPID != c.rpID {
			continue
		}
		if listed {
			if !slices.ContainsFunc(allow, func(id []byte) bool { return slices.Equal(id, cred.ID) }) {
				continue
			}
		} else if !cred.Discoverable {
			continue
		}
		// credProtect, §12.1.
		hidden := cred.Protection == protectRequired || cred.Protection == protectOptionalWithList && !listed
		if hidden && !c.verified {
			continue
		}
		ids = append(ids, cred.ID)
	}
	return ids
}

// assert signs with the first pending credential and keeps the rest. total is
// how many there are, in the first response only.
func (k *Key) assert(p *pendingAssertions, total int) ([]byte, error) {
	i := k.find(p.rpID, p.ids[0])
	if i < 0 {
		return nil, errNoCredentials
	}
	// The counter is stored before the signature leaves the key.
	if err := k.commit(func(s *state) { s.credentials[i].Count++ }); err != nil {
		return nil, err
	}
	c := &k.credentials[i]
	secret, err := p.salts.evaluate(c, p.flags&flagUV != 0)
	if err != nil {
		return nil, err
	}
	flags := p.flags
	if secret != nil {
		flags |= flagED
	}
	authData := authenticatorData(p.rpID, flags, c.Count)
	if secret != nil {
		authData = encode(authData, map[any]any{"hmac-secret": secret})
	}
	sig, err := sign(c.signer, slices.Concat(authData, p.clientHash))
	if err != nil {
		return nil, errOther
	}
	response := map[any]any{
		1: map[any]any{"id": c.ID, "type": "public-key"},
		2: authData,
		3: sig,
	}
	if c.Discoverable {
		user := map[any]any{"id": c.UserID}
		// "User identifiable information … MUST NOT be returned if user
		// verification is not done", and is of use only where there is a choice.
		if p.flags&flagUV != 0 && (total > 1 || total == 0) {
			user["name"] = c.UserName
			user["displayName"] = c.DisplayName
		}
		response[4] = user
	}
	if total > 1 {
		response[5] = total
	}
	if p.largeBlob && c.blobKey != nil {
		response[7] = c.blobKey
	}
	if len(p.ids) > 1 {
		rest := *p
		rest.ids, rest.since = p.ids[1:], k.opts.Now()
		k.next = &rest
	}
	return encode(nil, response), nil
}
