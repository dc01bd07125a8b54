package authenticator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// creation is a Create under way.
type creation struct {
	*ceremony
	options    *creationOptions
	clientData []byte
	request    MakeCredentialRequest
}

// newCreation turns options into a request, as far as that does not depend on the
// key (https://www.w3.org/TR/webauthn-3/#sctn-createCredential).
func newCreation(o *creationOptions, c *ceremony) (*creation, error) {
	if len(o.Challenge) == 0 {
		return nil, errors.New("authenticator: the options have no challenge")
	}
	// "If evalByCredential is present, return a … NotSupportedError."
	if o.Extensions.PRF != nil && o.Extensions.PRF.EvalByCredential != nil {
		return nil, errors.New("authenticator: the options have prf values by credential, and there is none yet")
	}
	// Step 5: "If the length of options.user.id is not between 1 and 64 bytes
	// (inclusive) then throw a TypeError."
	if len(o.User.ID) == 0 || len(o.User.ID) > 64 {
		return nil, errors.New("authenticator: the options' user.id is not between 1 and 64 bytes long")
	}
	if o.AuthenticatorSelection.Attachment == "platform" {
		return nil, fmt.Errorf("%w: the options ask for one that is built into the machine", ErrNoDevice)
	}
	exclude, err := credentialIDs(o.ExcludeCredentials)
	if err != nil {
		return nil, err
	}
	// Step 10: "If pubKeyCredParams' size is zero, append -7 and -257."
	algorithms := []int{-7, -257}
	if len(o.PubKeyCredParams) > 0 {
		algorithms = nil
		for _, p := range o.PubKeyCredParams {
			if p.Type == publicKeyType {
				algorithms = append(algorithms, p.Alg)
			}
		}
		if len(algorithms) == 0 {
			return nil, fmt.Errorf("reading the options: %w", ErrUnsupportedAlgorithm)
		}
	}
	clientData := clientDataJSON(typeCreate, o.Challenge, c.origin)
	hash := sha256.Sum256(clientData)
	return &creation{
		ceremony:   c,
		options:    o,
		clientData: clientData,
		request: MakeCredentialRequest{
			ClientDataHash: hash[:],
			RP:             RelyingParty{ID: c.rpID, Name: o.RP.Name},
			User:           User{ID: o.User.ID, Name: o.User.Name, DisplayName: o.User.DisplayName},
			Algorithms:     algorithms,
			Exclude:        exclude,
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
	x := c.options.Extensions
	request.HMACSecret = x.PRF != nil && slices.Contains(info.Extensions, "hmac-secret")
	request.MinPINLength = x.MinPINLength && slices.Contains(info.Extensions, "minPinLength")
	if x.CredProtect == "" {
		return nil
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
