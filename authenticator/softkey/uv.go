package softkey

import "context"

// maxUVRetries is how many fingers in a row the sensor may not know until only the
// PIN helps. The platform sees each of them: there are no internal retries.
const maxUVRetries = 5

// maxUVTries is what the key recommends to a platform before it asks for the PIN.
const maxUVTries = 3

// sensitive reports whether built-in user verification is set up.
func (k *Key) sensitive() bool { return k.opts.Verify != nil && len(k.fingers) > 0 }

// protected is "protected by some form of user verification" (CTAP 2.1 §3).
func (k *Key) protected() bool { return k.pinHash != nil || k.sensitive() }

// recognise is performBuiltInUv (§6.5.3.1). Like a PIN, a try is used up, durably,
// before the finger is looked at; one that nobody made is given back.
func (k *Key) recognise(ctx context.Context) error {
	if k.uvRetries == 0 {
		return errUVBlocked
	}
	left := k.uvRetries
	if err := k.commit(func(s *state) { s.uvRetries-- }); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, touchPeriod)
	defer cancel()
	defer announce(ctx)()
	err := k.opts.Verify(waiting)
	switch {
	case err == nil:
		k.touches.Add(1)
		return k.commit(func(s *state) { s.uvRetries = maxUVRetries })
	case waiting.Err() != nil:
		if err := k.commit(func(s *state) { s.uvRetries = left }); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return errKeepaliveCancel
		}
		return errUserActionTimeout
	case k.uvRetries == 0:
		return errUVBlocked
	default:
		return errUVInvalid
	}
}

// uvToken is getPinUvAuthTokenUsingUvWithPermissions (§6.5.5.7.3).
func (k *Key) uvToken(ctx context.Context, p *pinProtocol, m params) ([]byte, error) {
	permissions, rpID, err := k.wantedPermissions(m)
	if err != nil {
		return nil, err
	}
	secret, err := agree(p, m)
	if err != nil {
		return nil, err
	}
	// "If the authenticator does not support a built-in user verification method, or
	// it is not enabled, return CTAP2_ERR_NOT_ALLOWED." Enrolling a finger is the
	// PIN's business.
	if !k.sensitive() || permissions&permitBioEnrollment != 0 {
		return nil, errNotAllowed
	}
	if err := k.recognise(ctx); err != nil {
		return nil, err
	}
	return k.issueToken(p, secret, permissions, rpID, true)
}
