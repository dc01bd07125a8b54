package softkey

import (
	"context"
	"crypto/rand"
	"slices"
)

const credentialIDLength = 32

// creation is a makeCredential request once it is understood.
type creation struct {
	ceremony
	credential
	exclude [][]byte
	wantedExtensions
}

// makeCredential is authenticatorMakeCredential, CTAP 2.1 §6.1.
func (k *Key) makeCredential(ctx context.Context, m params) ([]byte, error) {
	r, err := k.parseCreation(m)
	if err != nil {
		return nil, err
	}
	keys := ceremonyKeys{options: 7, proof: 8, protocol: 9}
	if err := k.begin(ctx, m, &r.ceremony, keys, permitMakeCredential); err != nil {
		return nil, err
	}
	if !r.up {
		return nil, errInvalidOption
	}
	if r.Discoverable, err = r.option("rk", false); err != nil {
		return nil, err
	}
	if r.largeBlob && !r.Discoverable {
		return nil, errInvalidOption // "If … the rk option is not true, return CTAP2_ERR_INVALID_OPTION" (§12.3)
	}
	if _, present := m[int64(10)]; present {
		return nil, errInvalidParameter // no enterprise attestation
	}
	// makeCredUvNotRqd: only a credential that is not discoverable may be made
	// without verifying the user once there is a way to.
	if k.protected() && !r.verified && (r.Discoverable || k.opts.UVForAll) {
		return nil, errPUATRequired
	}
	for _, id := range r.exclude {
		i := k.find(r.rpID, id)
		if i < 0 || k.credentials[i].Protection == protectRequired && !r.verified {
			continue
		}
		// The touch comes first: without it a page could ask in silence which
		// keys are registered elsewhere.
		if err := k.touch(ctx, &r.ceremony); err != nil {
			return nil, err
		}
		return nil, errExcluded
	}
	if err := k.touch(ctx, &r.ceremony); err != nil {
		return nil, err
	}
	return k.create(r)
}

func (k *Key) parseCreation(m params) (*creation, error) {
	var r creation
	var err error
	if r.clientHash, err = required[[]byte](m, 1); err != nil {
		return nil, err
	}
	rp, err := required[map[any]any](m, 2)
	if err != nil {
		return nil, err
	}
	if r.rpID, err = required[string](rp, "id"); err != nil {
		return nil, err
	}
	if r.rpID == "" {
		return nil, errInvalidParameter
	}
	r.RPID = r.rpID
	user, err := required[map[any]any](m, 3)
	if err != nil {
		return nil, err
	}
	if err := r.parseUser(user); err != nil {
		return nil, err
	}
	list, err := required[[]any](m, 4)
	if err != nil {
		return nil, err
	}
	if r.Algorithm, err = k.chooseAlgorithm(list); err != nil {
		return nil, err
	}
	exclude, _, err := optional[[]any](m, 5)
	if err != nil {
		return nil, err
	}
	if r.exclude, err = credentialIDs(exclude); err != nil {
		return nil, err
	}
	extensions, _, err := optional[map[any]any](m, 6)
	if err != nil {
		return nil, err
	}
	if err := r.parseExtensions(extensions); err != nil {
		return nil, err
	}
	return &r, nil
}

func (r *creation) parseUser(user params) (err error) {
	if r.UserID, err = required[[]byte](user, "id"); err != nil {
		return err
	}
	if len(r.UserID) == 0 || len(r.UserID) > 64 {
		return errInvalidLength
	}
	if r.UserName, _, err = optional[string](user, "name"); err != nil {
		return err
	}
	r.DisplayName, _, err = optional[string](user, "displayName")
	return err
}

// chooseAlgorithm returns the first algorithm of the platform's list that the key
// has, having checked every element.
func (k *Key) chooseAlgorithm(list []any) (int, error) {
	chosen := 0
	for _, element := range list {
		m, isMap := element.(map[any]any)
		if !isMap {
			return 0, errUnexpectedType
		}
		alg, err := required[int64](m, "alg")
		if err != nil {
			return 0, err
		}
		kind, err := required[string](m, "type")
		if err != nil {
			return 0, err
		}
		if chosen == 0 && kind == "public-key" && slices.Contains(k.opts.Algorithms, int(alg)) {
			chosen = int(alg)
		}
	}
	if chosen == 0 {
		return 0, errUnsupportedAlg
	}
	return chosen, nil
}

// create makes, stores and attests the credential.
func (k *Key) create(r *creation) ([]byte, error) {
	c := r.credential
	signer, err := newSigner(c.Algorithm)
	if err != nil {
		return nil, errOther
	}
	c.signer = signer
	c.UserID = slices.Clone(c.UserID)
	c.ID = make([]byte, credentialIDLength)
	rand.Read(c.ID)
	if r.hmacSecret {
		c.credRandom()
	}
	if r.largeBlob {
		c.newBlobKey()
	}
	outputs := k.outputs(r)

	// A discoverable credential replaces the one of the same account (§6.1.2
	// step 17).
	same := func(o credential) bool {
		return c.Discoverable && o.Discoverable && o.RPID == c.RPID && slices.Equal(o.UserID, c.UserID)
	}
	if len(k.credentials) >= maxCredentials && !slices.ContainsFunc(k.credentials, same) {
		return nil, errKeyStoreFull
	}
	flags := flagUP | flagAT
	if r.verified {
		flags |= flagUV
	}
	if outputs != nil {
		flags |= flagED
	}
	authData, err := attestedData(authenticatorData(c.RPID, flags, c.Count), k.opts.AAGUID, &c)
	if err != nil {
		return nil, err
	}
	if outputs != nil {
		authData = encode(authData, outputs)
	}
	format, statement, err := k.attest(&c, slices.Concat(authData, r.clientHash))
	if err != nil {
		return nil, err
	}
	err = k.commit(func(s *state) {
		s.credentials = append(slices.DeleteFunc(s.credentials, same), c)
	})
	if err != nil {
		return nil, err
	}
	response := map[any]any{1: format, 2: authData, 3: statement}
	if c.blobKey != nil {
		response[5] = c.blobKey
	}
	return encode(nil, response), nil
}
