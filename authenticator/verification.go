package authenticator

import (
	"context"
	"fmt"
	"slices"
)

const (
	requirementRequired    = "required"
	requirementPreferred   = "preferred"
	requirementDiscouraged = "discouraged"
)

// requirement returns what options ask for; a value that is missing or unknown is
// the default (https://www.w3.org/TR/webauthn-3/#enum-userVerificationRequirement).
func requirement(s, fallback string) string {
	switch s {
	case requirementRequired, requirementPreferred, requirementDiscouraged:
		return s
	default:
		return fallback
	}
}

// verification is how the user is going to be verified: by PIN, by the key itself
// with or without the PIN to fall back to, or not at all.
type verification struct{ pin, builtIn, fallback bool }

func (v verification) wanted() bool { return v.pin || v.builtIn }

// planVerification decides from what the relying party asked for and how the key is
// set up. unprotected says that the key would run this operation without verifying
// anyone although it could.
func planVerification(info *Info, wanted string, unprotected bool) (verification, error) {
	builtIn := info.Options["uv"]
	// "noMcGaPermissionsWithClientPin": the PIN serves for other things only.
	pin := info.Options["clientPin"] && !info.Options["noMcGaPermissionsWithClientPin"]
	able := builtIn || pin
	needed := wanted == requirementRequired || info.Options["alwaysUv"]
	switch {
	case needed && !able:
		return verification{}, ErrPINNotSet
	case needed, wanted == requirementPreferred && able, able && !unprotected:
		return verification{builtIn: builtIn, pin: !builtIn, fallback: builtIn && pin && !info.ForcePINChange}, nil
	default:
		return verification{}, nil
	}
}

// sensorTries is a Device that counts how often its sensor may still be wrong.
type sensorTries interface {
	uvRetries(ctx context.Context) (int, error)
}

// feasible turns a plan into one that the key can follow now: a sensor that is
// blocked leaves the PIN, and a PIN needs somebody to ask and not to be due for a
// change.
func (c *ceremony) feasible(ctx context.Context, device Device, info *Info, v verification) (verification, error) {
	if v.builtIn {
		s, counts := device.(sensorTries)
		if !counts {
			return v, nil
		}
		left, err := s.uvRetries(ctx)
		if err != nil || left > 0 {
			return v, nil // the operation itself will tell
		}
		if !v.fallback {
			return v, statusUVBlocked
		}
		v = verification{pin: true}
	}
	switch {
	case !v.pin:
		return v, nil
	case info.ForcePINChange:
		return v, statusPINPolicy
	case c.ui == nil:
		return v, ErrPINRequired
	default:
		return v, nil
	}
}

// hides reports whether the key may keep a credential from whoever is not verified.
func (i *Info) hides() bool { return slices.Contains(i.Extensions, "credProtect") }

// askPIN gets the PIN from the person, who is told how many tries are left. It does
// not ask where no PIN would be accepted. The caller overwrites the result.
func (c *ceremony) askPIN(ctx context.Context, device Device, info *Info, wrong bool) ([]byte, error) {
	state, err := device.PINRetries(ctx)
	if err != nil {
		return nil, err
	}
	if state.Retries == 0 {
		return nil, &PINError{Retries: 0, Status: statusPINBlocked}
	}
	if state.PowerCycleNeeded {
		return nil, &PINError{Retries: state.Retries, PowerCycleNeeded: true, Status: statusPINAuthBlocked}
	}
	minLength := info.MinPINLength
	if minLength == 0 {
		minLength = defaultMinPINLength
	}
	pin, err := c.ui.PIN(ctx, PINPrompt{RPID: c.rpID, Device: device.Descriptor(), Retries: state.Retries, MinLength: minLength, Wrong: wrong})
	if err != nil {
		clear(pin)
		return nil, fmt.Errorf("asking for the PIN: %w", err)
	}
	if len(pin) == 0 { // nil would read as: no PIN wanted
		return nil, fmt.Errorf("asking for the PIN: %w", ErrPINRequired)
	}
	return pin, nil
}
