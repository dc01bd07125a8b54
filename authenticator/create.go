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

func (c *creation) run(ctx context.Context) ([]byte, error) {
	device, err := c.device(ctx)
	if err != nil {
		return nil, err
	}
	info, err := device.Info(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.fit(info); err != nil {
		return nil, err
	}
	// A key with makeCredUvNotRqd makes credentials without verifying the user,
	// except discoverable ones (CTAP 2.1 §6.1.2 steps 7 to 10).
	unprotected := info.Options["makeCredUvNotRqd"] && !c.request.Discoverable
	wanted := requirement(c.options.AuthenticatorSelection.UserVerification, requirementPreferred)
	plan, err := planVerification(info, wanted, unprotected)
	if err != nil {
		return nil, err
	}
	var result *MakeCredentialResult
	err = c.ceremony.run(ctx, device, info, plan, func(pin []byte) (err error) {
		c.request.PIN, c.request.BuiltInUV = pin, plan.builtIn
		result, err = device.MakeCredential(ctx, &c.request)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.response(device.Descriptor(), info, result)
}

// fit adapts the request to what the key can do.
func (c *creation) fit(info *Info) error {
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
		c.request.Discoverable = true
	case requirementPreferred:
		c.request.Discoverable = info.Options["rk"]
	}
	levels := map[string]int{
		"userVerificationOptional":                     1,
		"userVerificationOptionalWithCredentialIDList": 2,
		"userVerificationRequired":                     3,
	}
	x := c.options.Extensions
	if x.CredProtect == "" {
		return nil
	}
	level, known := levels[x.CredProtect]
	if !known {
		return fmt.Errorf("authenticator: the options name an unknown credential protection policy %q", x.CredProtect)
	}
	if slices.Contains(info.Extensions, "credProtect") {
		c.request.CredProtect = level
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
