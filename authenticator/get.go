package authenticator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// signIn is a Get under way.
type signIn struct {
	*ceremony
	options    *requestOptions
	clientData []byte
	request    GetAssertionRequest
}

// newSignIn turns options into a request
// (https://www.w3.org/TR/webauthn-3/#sctn-getAssertion).
func newSignIn(o *requestOptions, c *ceremony) (*signIn, error) {
	if len(o.Challenge) == 0 {
		return nil, errors.New("authenticator: the options have no challenge")
	}
	allow, err := credentialIDs(o.AllowCredentials)
	if err != nil {
		return nil, err
	}
	// A list in which nothing is usable does not turn into no list, which would
	// mean any credential.
	if len(allow) == 0 && len(o.AllowCredentials) > 0 {
		return nil, fmt.Errorf("reading the options: %w", ErrNoCredentials)
	}
	clientData := clientDataJSON(typeGet, o.Challenge, c.origin)
	hash := sha256.Sum256(clientData)
	return &signIn{
		ceremony:   c,
		options:    o,
		clientData: clientData,
		request:    GetAssertionRequest{ClientDataHash: hash[:], RPID: c.rpID, Allow: allow},
	}, nil
}

func (s *signIn) run(ctx context.Context) ([]byte, error) {
	device, err := s.device(ctx)
	if err != nil {
		return nil, err
	}
	info, err := device.Info(ctx)
	if err != nil {
		return nil, err
	}
	wanted := requirement(s.options.UserVerification, requirementPreferred)
	plan, err := planVerification(info, wanted, true)
	if err != nil {
		return nil, err
	}
	var found []Assertion
	err = s.ceremony.run(ctx, device, info, plan, func(pin []byte) (err error) {
		s.request.PIN, s.request.BuiltInUV = pin, plan.builtIn
		found, err = device.GetAssertion(ctx, &s.request)
		return err
	})
	if err != nil {
		return nil, err
	}
	chosen, err := s.choose(ctx, found)
	if err != nil {
		return nil, err
	}
	return authenticationResponse(s.clientData, chosen)
}

// choose asks which of several accounts to sign in with. All have been signed for
// already: no second touch is needed.
func (s *signIn) choose(ctx context.Context, found []Assertion) (*Assertion, error) {
	switch {
	case len(found) == 0:
		return nil, ErrNoCredentials
	case len(found) == 1:
		return &found[0], nil
	case s.ui == nil:
		return nil, fmt.Errorf("%w: %d of them", ErrChoiceRequired, len(found))
	}
	accounts := make([]User, len(found))
	for i := range found {
		accounts[i] = found[i].User
	}
	i, err := s.ui.ChooseAccount(ctx, s.rpID, accounts)
	if err != nil {
		return nil, fmt.Errorf("choosing an account: %w", err)
	}
	if i < 0 || i >= len(found) {
		return nil, fmt.Errorf("%w: the choice %d is none of them", ErrChoiceRequired, i)
	}
	return &found[i], nil
}
