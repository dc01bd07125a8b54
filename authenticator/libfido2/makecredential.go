//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	gofido "github.com/keys-pub/go-libfido2"

	"github.com/lakekey/lakekey/authenticator"
)

// creation is a MakeCredential under way, with copies of what the caller may change
// as soon as it has returned.
type creation struct {
	*operation
	hash       []byte
	rp         gofido.RelyingParty
	user       gofido.User
	options    gofido.MakeCredentialOpts
	pin        []byte
	verify     bool
	algorithms []int
}

// credProtect has go-libfido2's names for the levels of CTAP 2.1 §12.1.
var credProtect = map[int]gofido.CredProtect{
	0: gofido.CredProtectNone,
	1: gofido.CredProtectUVOptional,
	2: gofido.CredProtectUVOptionalWithID,
	3: gofido.CredProtectUVRequired,
}

func newCreation(req *authenticator.MakeCredentialRequest) (*creation, error) {
	level, known := credProtect[req.CredProtect]
	switch {
	case len(req.ClientDataHash) != 32:
		return nil, errors.New("libfido2: a client data hash has 32 bytes")
	case req.RPID == "" || strings.ContainsRune(req.RPID, 0):
		return nil, errors.New("libfido2: that is no RP ID")
	case len(req.User.ID) == 0 || len(req.User.ID) > 64:
		return nil, errors.New("libfido2: a user handle has 1 to 64 bytes")
	case !known:
		return nil, errors.New("libfido2: that is no level of credential protection")
	case len(req.Algorithms) == 0:
		return nil, authenticator.ErrUnsupportedAlgorithm
	}
	c := &creation{
		hash:       bytes.Clone(req.ClientDataHash),
		rp:         gofido.RelyingParty{ID: req.RPID, Name: textForC(req.RPName)},
		user:       gofido.User{ID: bytes.Clone(req.User.ID), Name: textForC(req.User.Name), DisplayName: textForC(req.User.DisplayName)},
		options:    gofido.MakeCredentialOpts{CredProtect: level},
		pin:        req.PIN,
		verify:     req.PIN != nil || req.BuiltInUV,
		algorithms: req.Algorithms,
	}
	// go-libfido2 insists on a name, which only tells accounts apart for a person.
	if c.user.Name == "" {
		c.user.Name = "-"
	}
	if level != gofido.CredProtectNone {
		c.options.Extensions = []gofido.Extension{gofido.CredProtectExtension}
	}
	if req.Discoverable {
		c.options.RK = gofido.True
	}
	if req.BuiltInUV && req.PIN == nil {
		c.options.UV = gofido.True
	}
	return c, nil
}

// textForC keeps a text from ending at its first NUL.
func textForC(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

func (d *device) MakeCredential(ctx context.Context, req *authenticator.MakeCredentialRequest) (*authenticator.MakeCredentialResult, error) {
	c, err := newCreation(req)
	if err != nil {
		return nil, err
	}
	if c.operation, err = d.begin(ctx, (*line).beginTouch); err != nil {
		return nil, err
	}
	defer c.end()
	excluded, err := c.present(ctx, c.rp.ID, req.Exclude, c.pin)
	if err != nil {
		return nil, err
	}
	if excluded != nil {
		// Without a touch, a page could ask in silence which keys are registered.
		if err := c.touch(ctx); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("creating a credential: %w", authenticator.ErrExcluded)
	}
	for _, alg := range c.algorithms {
		made, err := c.make(ctx, alg)
		if errors.Is(err, authenticator.ErrUnsupportedAlgorithm) || errors.Is(err, codeInvalidArgument) {
			continue // refused by the key before a touch, or by libfido2 before the key
		}
		if err != nil {
			return nil, fmt.Errorf("creating a credential: %w", c.explainPIN(ctx, err))
		}
		return c.result(made)
	}
	return nil, fmt.Errorf("creating a credential: %w", authenticator.ErrUnsupportedAlgorithm)
}

// make asks for a credential of one algorithm, which is all that libfido2 takes.
func (c *creation) make(ctx context.Context, alg int) (*gofido.Attestation, error) {
	pin, err := newPINText(c.pin)
	if err != nil {
		return nil, err
	}
	return call(ctx, c.operation, 0, func(dev *gofido.Device) (*gofido.Attestation, error) {
		defer pin.wipe()
		return dev.MakeCredential(c.hash, c.rp, c.user, gofido.CredentialType(alg), pin.text, &c.options)
	})
}

func (c *creation) result(made *gofido.Attestation) (*authenticator.MakeCredentialResult, error) {
	data, err := unwrapAuthData(made.AuthData)
	if err != nil {
		return nil, err
	}
	if err := checkAuthData(data, c.rp.ID, true, c.verify); err != nil {
		return nil, err
	}
	if len(made.CredentialID) == 0 {
		return nil, malformed("a new credential")
	}
	statement, err := attestationStatement(made)
	if err != nil {
		return nil, err
	}
	return &authenticator.MakeCredentialResult{
		CredentialID:         made.CredentialID,
		AuthenticatorData:    data,
		Format:               made.Format,
		AttestationStatement: statement,
	}, nil
}
