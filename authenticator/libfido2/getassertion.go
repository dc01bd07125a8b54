//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	gofido "github.com/keys-pub/go-libfido2"

	"github.com/lakekey/lakekey/authenticator"
)

// maxList is how many credential IDs are sent at once. A key may take fewer, which
// go-libfido2 does not tell, and then says so when asked.
const maxList = 8

func (d *device) GetAssertion(ctx context.Context, req *authenticator.GetAssertionRequest) ([]authenticator.Assertion, error) {
	switch {
	case len(req.ClientDataHash) != 32:
		return nil, errors.New("libfido2: a client data hash has 32 bytes")
	case req.RPID == "" || strings.ContainsRune(req.RPID, 0):
		return nil, errors.New("libfido2: that is no RP ID")
	case slices.ContainsFunc(req.Allow, func(id []byte) bool { return len(id) == 0 }):
		return nil, errors.New("libfido2: a credential ID is empty")
	}
	o, err := d.begin(ctx, (*line).beginTouch)
	if err != nil {
		return nil, err
	}
	defer o.end()
	s := &signature{operation: o, rpID: req.RPID, hash: bytes.Clone(req.ClientDataHash), pin: req.PIN}
	verify := req.PIN != nil || req.BuiltInUV
	if req.BuiltInUV && req.PIN == nil {
		s.options.UV = gofido.True
	}
	var made *gofido.Assertion
	if len(req.Allow) <= maxList {
		made, err = s.sign(ctx, req.Allow)
	}
	if len(req.Allow) > maxList || tooLong(err) && len(req.Allow) > 1 {
		made, err = s.signWithPresent(ctx, req.Allow)
	}
	if err != nil {
		return nil, fmt.Errorf("signing: %w", o.explainPIN(ctx, err))
	}
	assertion, err := s.result(made, req.Allow, verify)
	if err != nil {
		return nil, err
	}
	return []authenticator.Assertion{*assertion}, nil
}

// signature is an assertion under way.
type signature struct {
	*operation
	rpID    string
	hash    []byte
	options gofido.AssertionOpts
	pin     []byte
}

// sign waits for a touch unless the options say otherwise.
func (s *signature) sign(ctx context.Context, allow [][]byte) (*gofido.Assertion, error) {
	pin, err := newPINText(s.pin)
	if err != nil {
		return nil, err
	}
	ids := make([][]byte, len(allow))
	for i := range allow {
		ids[i] = bytes.Clone(allow[i])
	}
	limit := s.line.limits.answer
	if s.options.UP != gofido.False {
		limit = 0
	}
	return call(ctx, s.operation, limit, func(dev *gofido.Device) (*gofido.Assertion, error) {
		defer pin.wipe()
		return dev.Assertion(s.rpID, s.hash, ids, pin.text, &s.options)
	})
}

// signWithPresent signs with the first credential of a long list that is the key's.
func (s *signature) signWithPresent(ctx context.Context, allow [][]byte) (*gofido.Assertion, error) {
	id, err := s.present(ctx, s.rpID, allow, s.pin)
	if err != nil {
		return nil, err
	}
	if id == nil { // not an empty list, which would mean any credential
		return nil, authenticator.ErrNoCredentials
	}
	return s.sign(ctx, [][]byte{id})
}

func (s *signature) result(made *gofido.Assertion, allow [][]byte, verify bool) (*authenticator.Assertion, error) {
	data, err := unwrapAuthData(made.AuthDataCBOR)
	if err != nil {
		return nil, err
	}
	if err := checkAuthData(data, s.rpID, false, verify); err != nil {
		return nil, err
	}
	id := made.CredentialID
	if len(id) == 0 && len(allow) == 1 { // a key may leave out what it was told
		id = bytes.Clone(allow[0])
	}
	if len(id) == 0 || len(made.Sig) == 0 || len(made.User.ID) > 64 {
		return nil, malformed("an assertion")
	}
	if len(allow) > 0 && !contains(allow, id) {
		return nil, malformed("an assertion by a credential that was not asked for")
	}
	a := &authenticator.Assertion{CredentialID: id, AuthenticatorData: data, Signature: made.Sig}
	if len(made.User.ID) > 0 {
		a.User.ID = made.User.ID
	}
	return a, nil
}

// present asks the key in silence which of the credentials are its own, and returns
// one, or nil. The signatures are over zeros: nothing that a relying party would
// accept. A list that the key does not take is sent again one by one, and what it
// does not take then is too long to be its own.
func (o *operation) present(ctx context.Context, rpID string, ids [][]byte, pin []byte) ([]byte, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id []byte) bool { return len(id) == 0 })
	s := &signature{operation: o, rpID: rpID, hash: make([]byte, 32), pin: pin, options: gofido.AssertionOpts{UP: gofido.False}}
	for chunk := range slices.Chunk(ids, maxList) {
		made, err := s.sign(ctx, chunk)
		if tooLong(err) && len(chunk) > 1 {
			for _, id := range chunk {
				if made, err = s.sign(ctx, [][]byte{id}); err == nil || !tooLong(err) && !errors.Is(err, authenticator.ErrNoCredentials) {
					chunk = [][]byte{id}
					break
				}
			}
		}
		switch {
		case err == nil && len(made.CredentialID) == 0:
			return bytes.Clone(chunk[0]), nil // left out only when one was asked for
		case err == nil && !contains(chunk, made.CredentialID):
			return nil, malformed("an assertion by a credential that was not asked for")
		case err == nil:
			return made.CredentialID, nil
		case !tooLong(err) && !errors.Is(err, authenticator.ErrNoCredentials):
			return nil, fmt.Errorf("looking for a credential: %w", o.explainPIN(ctx, err))
		}
	}
	return nil, nil
}

// tooLong reports whether the key refused a credential list for its length, or a
// credential ID for its.
func tooLong(err error) bool {
	var s authenticator.Status
	return errors.As(err, &s) && slices.Contains([]authenticator.Status{0x02, 0x03, 0x15, 0x22, 0x39}, s)
}

func contains(list [][]byte, id []byte) bool {
	return slices.ContainsFunc(list, func(other []byte) bool { return bytes.Equal(other, id) })
}
