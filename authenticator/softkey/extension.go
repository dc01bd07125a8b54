package softkey

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"
)

// wantedExtensions are the extension inputs of makeCredential that the key knows.
type wantedExtensions struct {
	protect      bool // the request asked for a credProtect level
	hmacSecret   bool
	minPINLength bool
	largeBlob    bool
}

func (r *creation) parseExtensions(extensions params) error {
	level, asked, err := optional[int64](extensions, "credProtect")
	if err != nil {
		return err
	}
	r.Protection, r.protect = protectOptional, asked
	if asked {
		if level < protectOptional || level > protectRequired {
			return errInvalidOption
		}
		r.Protection = int(level)
	}
	if r.hmacSecret, _, err = optional[bool](extensions, "hmac-secret"); err != nil {
		return err
	}
	if r.minPINLength, _, err = optional[bool](extensions, "minPinLength"); err != nil {
		return err
	}
	r.largeBlob, err = wantsBlobKey(extensions)
	return err
}

// outputs are what the key answers to a makeCredential's extensions, nil if nothing.
func (k *Key) outputs(r *creation) map[any]any {
	out := map[any]any{}
	if r.protect {
		out["credProtect"] = r.Protection
	}
	if r.hmacSecret {
		out["hmac-secret"] = true
	}
	// "minPinLength … only to Relying Parties … in the minPinLengthRPIDs list" (§12.4).
	if r.minPINLength && slices.Contains(k.minPINReaders, r.rpID) {
		out["minPinLength"] = k.minPINLength
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// credRandom makes the two secrets that hmac-secret works with (§12.5): what a
// credential yields depends on whether the user was verified.
func (c *credential) credRandom() {
	c.secretUV, c.secretNoUV = make([]byte, 32), make([]byte, 32)
	rand.Read(c.secretUV)
	rand.Read(c.secretNoUV)
}

// salts are an hmac-secret input of getAssertion, decrypted.
type salts struct {
	values   []byte // one or two of 32 bytes
	secret   *sharedSecret
	protocol *pinProtocol
}

func (k *Key) parseSalts(extensions params) (*salts, error) {
	input, present, err := optional[map[any]any](extensions, "hmac-secret")
	if err != nil || !present {
		return nil, err
	}
	peer, err := required[map[any]any](input, 1)
	if err != nil {
		return nil, err
	}
	sealed, err := required[[]byte](input, 2)
	if err != nil {
		return nil, err
	}
	proof, err := required[[]byte](input, 3)
	if err != nil {
		return nil, err
	}
	number, present, err := optional[int64](input, 4)
	if err != nil {
		return nil, err
	}
	if !present {
		number = 1
	}
	protocol, known := k.protocols[number]
	if !known {
		return nil, errInvalidParameter
	}
	secret, err := protocol.decapsulate(peer)
	if err != nil {
		return nil, err
	}
	if !protocol.verify(secret.hmac, sealed, proof) {
		return nil, errPINAuthInvalid
	}
	values, err := protocol.decrypt(secret, sealed)
	if err != nil {
		return nil, err
	}
	if len(values) != 32 && len(values) != 64 {
		return nil, errInvalidLength
	}
	return &salts{values: values, secret: secret, protocol: protocol}, nil
}

// evaluate returns the encrypted hmac-secret output of a credential, nil when it
// has none.
func (s *salts) evaluate(c *credential, verified bool) ([]byte, error) {
	key := c.secretNoUV
	if verified {
		key = c.secretUV
	}
	if s == nil || key == nil {
		return nil, nil
	}
	var out []byte
	for salt := range slices.Chunk(s.values, 32) {
		mac := hmac.New(sha256.New, key)
		mac.Write(salt)
		out = mac.Sum(out)
	}
	return s.protocol.encrypt(s.secret, out)
}
