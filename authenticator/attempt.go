package authenticator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// attempt is a Create or Get prepared for one key.
type attempt[T any] struct {
	*ceremony
	device Device
	info   *Info
	plan   verification
	unfit  error // why the key cannot serve, nil if it can
	do     func(ctx context.Context, pin []byte, builtIn bool) (T, error)
}

// once shows the prompt and runs the operation a single time.
func (a *attempt[T]) once(ctx context.Context, pin []byte, builtIn, again bool) (T, error) {
	var none T
	done, err := a.prompt(ctx, []Device{a.device}, Prompt{Again: again}, builtIn)
	if err != nil {
		return none, err
	}
	defer done()
	a.log.DebugContext(ctx, "security key operation", "rp_id", a.rpID, "create", a.create,
		"product", a.device.Descriptor().Product, "pin", pin != nil, "built_in_uv", builtIn)
	return a.do(ctx, pin, builtIn)
}

// maxSensorTries is how often a person may show a finger in one ceremony, unless the
// key recommends another number (preferredPlatformUvAttempts, CTAP 2.1 §6.4).
const (
	maxSensorTries = 3
	// However many a key recommends: one that lies must not keep us asking for ever, and
	// an honest one blocks its sensor long before.
	mostSensorTries = 25
)

// complete runs the operation on the key that was chosen and verifies the user as
// planned: by the key's sensor first and by PIN when that fails. failure is how a
// first try with the sensor ended, nil if there was none.
func (a *attempt[T]) complete(ctx context.Context, failure error) (T, error) {
	var result T
	err := failure
	switch {
	case a.plan.pin:
		result, err = a.withPIN(ctx)
	case !a.plan.builtIn:
		result, err = a.once(ctx, nil, false, false)
	default:
		limit := min(a.info.PreferredUVAttempts, mostSensorTries)
		if limit <= 0 {
			limit = maxSensorTries
		}
		tries := 0
		if failure != nil {
			tries = 1
		} else {
			tries = 1
			result, err = a.once(ctx, nil, true, false)
		}
		for ; errors.Is(err, statusUVInvalid) && tries < limit; tries++ {
			result, err = a.once(ctx, nil, true, true)
		}
		if unrecognised(err) && a.plan.fallback && a.ui != nil {
			result, err = a.withPIN(ctx)
		}
	}
	return result, a.blame(err)
}

// unrecognised reports whether the key's sensor did not know the person, or is no
// longer asked: "CTAP2_ERR_PUAT_REQUIRED" is how a key without tokens refers to the
// PIN after that.
func unrecognised(err error) bool {
	return errors.Is(err, statusUVInvalid) || errors.Is(err, statusUVBlocked) || errors.Is(err, statusPUATRequired)
}

// enoughRetries is how many PIN retries must be left for a second question in one
// ceremony: the last ones are for a person who has thought about it.
const enoughRetries = 3

// withPIN asks for the PIN until the key takes it or the person should think again. A
// PIN that was wrong is not sent a second time, whoever repeats it.
func (a *attempt[T]) withPIN(ctx context.Context) (T, error) {
	var none T
	var last []byte
	var failure error
	defer func() { clear(last) }()
	for {
		pin, err := a.askPIN(ctx, a.device, a.info, failure != nil)
		if err != nil {
			return none, err
		}
		if failure != nil && bytes.Equal(pin, last) {
			clear(pin)
			return none, failure
		}
		clear(last)
		last = pin
		result, err := a.once(ctx, pin, false, false)
		var wrong *PINError
		if !errors.As(err, &wrong) || wrong.PowerCycleNeeded || wrong.Retries < enoughRetries {
			return result, err
		}
		failure = err
	}
}

// blame turns an error that is about the key rather than the ceremony into an
// IneligibleError.
func (a *attempt[T]) blame(err error) error {
	for _, reason := range []error{ErrNoCredentials, ErrExcluded, ErrUnsupportedAlgorithm, ErrPINNotSet, statusKeyStoreFull} {
		if errors.Is(err, reason) {
			return a.ineligible(reason)
		}
	}
	return err
}

func (a *attempt[T]) ineligible(reason error) error {
	return fmt.Errorf("using the key: %w", &IneligibleError{Device: a.device.Descriptor(), Reason: reason})
}
