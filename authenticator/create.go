package authenticator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// creation is a Create under way.
type creation struct {
	*ceremony
	options    *webauthn.CreationOptions
	extensions creationExtensions
	request    MakeCredentialRequest
}

// newCreation turns options into a request, as far as that does not depend on the key.
func newCreation(asked *webauthn.Creation, c *ceremony) (*creation, error) {
	o := asked.Options
	var extensions creationExtensions
	if err := webauthn.ReadExtensions(o.Extensions, &extensions); err != nil {
		return nil, err
	}
	// "If evalByCredential is present, return a … NotSupportedError."
	if extensions.PRF != nil && extensions.PRF.EvalByCredential != nil {
		return nil, errors.New("authenticator: the options have prf values by credential, and there is none yet")
	}
	if err := extensions.LargeBlob.checkCreation(); err != nil {
		return nil, err
	}
	if o.AuthenticatorSelection.Attachment == "platform" {
		return nil, fmt.Errorf("%w: the options ask for one that is built into the machine", ErrNoDevice)
	}
	if len(asked.Algorithms) == 0 {
		return nil, fmt.Errorf("reading the options: %w", ErrUnsupportedAlgorithm)
	}
	hash := sha256.Sum256(asked.JSON)
	return &creation{
		ceremony:   c,
		options:    o,
		extensions: extensions,
		request: MakeCredentialRequest{
			ClientDataHash: hash[:],
			RPID:           c.rpID,
			RPName:         o.RP.Name,
			User:           User{ID: o.User.ID, Name: o.User.Name, DisplayName: o.User.DisplayName},
			Algorithms:     asked.Algorithms,
			Exclude:        asked.Exclude,
		},
	}, nil
}

// created is a credential with the key it was made on and what that key was asked.
type created struct {
	result  *MakeCredentialResult
	device  Device
	info    *Info
	request MakeCredentialRequest
}

func (c *creation) run(ctx context.Context) ([]byte, error) {
	made, err := race(ctx, c.ceremony, c.prepare)
	if err != nil {
		return nil, err
	}
	return c.response(made)
}

// prepare adapts the request to one key.
func (c *creation) prepare(ctx context.Context, device Device, alone bool) (*attempt[*created], error) {
	info, err := device.Info(ctx)
	if err != nil {
		return nil, err
	}
	request := c.request
	a := &attempt[*created]{ceremony: c.ceremony, device: device, info: info}
	a.do = func(ctx context.Context, pin []byte, builtIn bool) (*created, error) {
		request := request
		request.PIN, request.BuiltInUV = pin, builtIn
		result, err := device.MakeCredential(ctx, &request)
		if err != nil {
			return nil, err
		}
		request.PIN = nil
		return &created{result, device, info, request}, nil
	}
	if a.unfit = c.fit(&request, info); a.unfit != nil {
		return a, nil
	}
	// A key with makeCredUvNotRqd makes credentials without verifying the user,
	// except discoverable ones (CTAP 2.1 §6.1.2 steps 7 to 10).
	unprotected := info.Options["makeCredUvNotRqd"] && !request.Discoverable
	wanted := requirement(c.options.AuthenticatorSelection.UserVerification, requirementPreferred)
	if a.plan, a.unfit = planVerification(info, wanted, unprotected); a.unfit != nil {
		return a, nil
	}
	if a.plan, a.unfit = c.feasible(ctx, device, info, a.plan); a.unfit != nil {
		return a, nil
	}
	if len(request.Exclude) > 0 && !alone {
		if held, _ := found(ctx, device, info, a.plan, c.rpID, request.Exclude); held {
			a.unfit = ErrExcluded
		}
	}
	return a, nil
}

// fit adapts the request to what the key can do.
func (c *creation) fit(request *MakeCredentialRequest, info *Info) error {
	// "algorithms (0x0A): List of supported algorithms" (CTAP 2.1 §6.4), if it is there.
	offered := func(alg int) bool { return slices.Contains(info.Algorithms, alg) }
	if len(info.Algorithms) > 0 && !slices.ContainsFunc(request.Algorithms, offered) {
		return ErrUnsupportedAlgorithm
	}
	s := c.options.AuthenticatorSelection
	fallback := requirementDiscouraged
	if s.RequireResidentKey {
		fallback = requirementRequired
	}
	switch requirement(s.ResidentKey, fallback) {
	case requirementRequired:
		if !info.Options["rk"] {
			return fmt.Errorf("%w: the options ask for a discoverable credential, and this key keeps none", ErrNoDevice)
		}
		request.Discoverable = true
	case requirementPreferred:
		request.Discoverable = info.Options["rk"]
	}
	levels := map[string]int{
		"userVerificationOptional":                     1,
		"userVerificationOptionalWithCredentialIDList": 2,
		"userVerificationRequired":                     3,
	}
	x := c.extensions
	request.HMACSecret = x.PRF != nil && slices.Contains(info.Extensions, "hmac-secret")
	request.MinPINLength = x.MinPINLength && slices.Contains(info.Extensions, "minPinLength")
	if err := x.LargeBlob.fit(request, info); err != nil || x.CredProtect == "" {
		return err
	}
	level, known := levels[x.CredProtect]
	if !known {
		return fmt.Errorf("authenticator: the options name an unknown credential protection policy %q", x.CredProtect)
	}
	if slices.Contains(info.Extensions, "credProtect") {
		request.CredProtect = level
		return nil
	}
	// "If enforceCredentialProtectionPolicy is true, and credentialProtectionPolicy's
	// value is not userVerificationOptional, … if the authenticator does not support
	// credProtect … MUST NOT create the credential" (CTAP 2.1 §12.1.1).
	if x.EnforceCredProtect && level > 1 {
		return fmt.Errorf("%w: the options ask for credential protection, and this key has none", ErrNoDevice)
	}
	return nil
}
