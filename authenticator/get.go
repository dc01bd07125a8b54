package authenticator

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// signIn is a Get under way.
type signIn struct {
	*ceremony
	options    *webauthn.RequestOptions
	extensions requestExtensions
	request    GetAssertionRequest
}

// newSignIn turns options into a request, as far as that does not depend on the key.
func newSignIn(asked *webauthn.Request, c *ceremony) (*signIn, error) {
	if asked.NoneUsable {
		return nil, fmt.Errorf("reading the options: %w", ErrNoCredentials)
	}
	hash := sha256.Sum256(asked.JSON)
	s := &signIn{
		ceremony: c,
		options:  asked.Options,
		request:  GetAssertionRequest{ClientDataHash: hash[:], RPID: c.rpID, Allow: asked.Allow},
	}
	if err := webauthn.ReadExtensions(asked.Options.Extensions, &s.extensions); err != nil {
		return nil, err
	}
	if err := s.extensions.PRF.apply(&s.request); err != nil {
		return nil, err
	}
	return s, s.extensions.LargeBlob.apply(&s.request)
}

func (s *signIn) run(ctx context.Context) ([]byte, error) {
	found, err := race(ctx, s.ceremony, s.prepare)
	if err != nil {
		return nil, err
	}
	chosen, err := s.choose(ctx, found)
	if err != nil {
		return nil, err
	}
	outputs := s.extensions.PRF.outputs(chosen)
	s.extensions.LargeBlob.used(chosen, outputs)
	if chosen.LargeBlobError != nil {
		s.log.WarnContext(ctx, "large blob", "rp_id", s.rpID, "error", chosen.LargeBlobError)
	}
	response := webauthn.Authentication{
		ID: chosen.CredentialID, ClientData: s.client, AuthenticatorData: chosen.AuthenticatorData, Signature: chosen.Signature,
		UserHandle: chosen.User.ID, Attachment: attachment, Extensions: outputs,
	}
	return response.JSON()
}

// prepare adapts the request to one key.
func (s *signIn) prepare(ctx context.Context, device Device, alone bool) (*attempt[[]Assertion], error) {
	info, err := device.Info(ctx)
	if err != nil {
		return nil, err
	}
	a := &attempt[[]Assertion]{ceremony: s.ceremony, device: device, info: info}
	a.do = func(ctx context.Context, pin []byte, builtIn bool) ([]Assertion, error) {
		request := s.request
		request.PIN, request.BuiltInUV = pin, builtIn
		return device.GetAssertion(ctx, &request)
	}
	wanted := requirement(s.options.UserVerification, requirementPreferred)
	if s.extensions.LargeBlob.writes(info) || s.extensions.PRF.wanted() && slices.Contains(info.Extensions, "hmac-secret") {
		wanted = requirementRequired
	}
	if a.plan, a.unfit = planVerification(info, wanted, true); a.unfit != nil {
		return a, nil
	}
	if a.plan, a.unfit = s.feasible(ctx, device, info, a.plan); a.unfit != nil {
		return a, nil
	}
	// Typing a PIN for nothing is worse than a question to the key.
	if alone && (!a.plan.pin || info.hides()) {
		return a, nil
	}
	if held, sure := found(ctx, device, info, a.plan, s.rpID, s.request.Allow); sure && !held {
		a.unfit = ErrNoCredentials
	}
	return a, nil
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
