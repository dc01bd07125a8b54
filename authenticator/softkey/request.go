package softkey

import "context"

// maxListLength is how many credential IDs one request may list.
const maxListLength = 8

// ceremony is what makeCredential and getAssertion have in common: which touch
// and which proof of user verification a request asks for or brings.
type ceremony struct {
	rpID       string
	clientHash []byte
	options    params
	protocol   *pinProtocol // nil: no proof was brought
	up         bool
	verified   bool
	present    bool // verifying the user was the touch as well
}

// options reads the boolean options. Unknown ones are ignored (§6.1.2, §6.2.2).
func (c *ceremony) option(name string, fallback bool) (bool, error) {
	v, present, err := optional[bool](c.options, name)
	if err != nil || !present {
		return fallback, err
	}
	return v, nil
}

// keys of a command's parameters, which differ between the two commands.
type ceremonyKeys struct{ options, proof, protocol int }

// begin handles the parts that come first in both commands: the proof of user
// verification, and the old way to ask for a touch, an empty proof.
func (k *Key) begin(ctx context.Context, m params, c *ceremony, keys ceremonyKeys, permission int64) error {
	if len(c.clientHash) != 32 {
		return errInvalidLength
	}
	options, _, err := optional[map[any]any](m, keys.options)
	if err != nil {
		return err
	}
	c.options = options
	proof, brought, err := optional[[]byte](m, keys.proof)
	if err != nil {
		return err
	}
	if brought && len(proof) == 0 {
		if err := k.waitForTouch(ctx); err != nil {
			return err
		}
		if k.pinHash == nil {
			return errPINNotSet
		}
		return errPINInvalid
	}
	if brought {
		number, err := required[int64](m, keys.protocol)
		if err != nil {
			return err
		}
		protocol, known := k.protocols[number]
		if !known {
			return errInvalidParameter
		}
		c.protocol = protocol
	}
	if c.up, err = c.option("up", true); err != nil {
		return err
	}
	// "If the pinUvAuthParam is present … treat uv as false."
	uv, err := c.option("uv", false)
	if err != nil {
		return err
	}
	if c.protocol == nil {
		return k.verifyInPlace(ctx, c, uv)
	}
	t, err := c.protocol.authorize(permission, c.clientHash, proof, k.opts.Now())
	if err != nil {
		return err
	}
	if err := t.bind(c.rpID); err != nil {
		return err
	}
	c.verified, c.present = true, t.takePresence(k.opts.Now())
	return nil
}

// verifyInPlace verifies the user within the operation, where the platform brought no
// token but asks for it or alwaysUv does (§6.1.2 steps 5 and 6, §6.2.2 steps 5 and 6).
func (k *Key) verifyInPlace(ctx context.Context, c *ceremony, asked bool) error {
	if asked && !k.sensitive() {
		return errInvalidOption
	}
	always := k.alwaysUV && c.up
	if always && !k.sensitive() {
		return errPUATRequired
	}
	if !asked && !always {
		return nil
	}
	switch err := k.recognise(ctx); err {
	case nil:
		c.verified, c.present = true, true
		return nil
	case errUVInvalid, errUVBlocked:
		if k.pinHash != nil {
			return errPUATRequired
		}
		return errOperationDenied
	default:
		return err
	}
}

// touch tests for user presence and uses up what the token permitted.
func (k *Key) touch(ctx context.Context, c *ceremony) error {
	if !c.present {
		if err := k.waitForTouch(ctx); err != nil {
			return err
		}
	}
	if c.protocol != nil {
		c.protocol.spend()
	}
	return nil
}

// credentialIDs reads a list of PublicKeyCredentialDescriptor. Unknown types are
// skipped, as WebAuthn §5.8.3 demands.
func credentialIDs(list []any) ([][]byte, error) {
	if len(list) > maxListLength {
		return nil, errInvalidParameter
	}
	var ids [][]byte
	for _, element := range list {
		m, isMap := element.(map[any]any)
		if !isMap {
			return nil, errUnexpectedType
		}
		kind, err := required[string](m, "type")
		if err != nil {
			return nil, err
		}
		id, err := required[[]byte](m, "id")
		if err != nil {
			return nil, err
		}
		if kind == "public-key" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
