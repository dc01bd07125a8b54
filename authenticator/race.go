package authenticator

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settle is how long a key among others may take to say what it can do, and to stop
// once another one was touched.
const settle = 2 * time.Second

// preparation asks a key what it can do without waking it. alone says that there is
// no other: then the operation itself may say what does not need to be known before.
type preparation[T any] func(ctx context.Context, device Device, alone bool) (*attempt[T], error)

// race runs the operation on the key that the person touches.
func race[T any](ctx context.Context, c *ceremony, prepare preparation[T]) (T, error) {
	var none T
	devices, err := c.plugged(ctx)
	if err != nil {
		return none, err
	}
	if len(devices) == 1 {
		a, err := prepare(ctx, devices[0], true)
		if err != nil {
			return none, err
		}
		if a.unfit != nil {
			return none, a.ineligible(a.unfit)
		}
		return a.complete(ctx, nil)
	}
	attempts, err := prepareAll(ctx, devices, prepare)
	if err != nil {
		return none, err
	}
	winner, result, err := touched(ctx, c, attempts)
	switch {
	case winner == nil:
		return none, err
	case winner.unfit != nil:
		return none, winner.ineligible(winner.unfit)
	case winner.blinksOnly(), unrecognised(err):
		return winner.complete(ctx, err)
	default:
		return result, winner.blame(err)
	}
}

// blinksOnly reports whether the key is only asked for a touch at first: it cannot
// serve, or needs its PIN before it can.
func (a *attempt[T]) blinksOnly() bool { return a.unfit != nil || a.plan.pin }

// prepareAll asks every key what it can do. A key that does not answer, or not in
// time, is left out as long as another one does.
func prepareAll[T any](ctx context.Context, devices []Device, prepare preparation[T]) ([]*attempt[T], error) {
	bounded, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	type answer struct {
		attempt *attempt[T]
		err     error
	}
	answers := make(chan answer, len(devices))
	for _, d := range devices {
		go func() {
			a, err := prepare(bounded, d, false)
			answers <- answer{a, err}
		}()
	}
	var ready []*attempt[T]
	var reasons []error
	able := false
	// A transport that does not mind its ctx does not hold up the others.
	late := time.After(settle + settle/4)
	for range devices {
		select {
		case a := <-answers:
			if a.err != nil {
				reasons = append(reasons, a.err)
				continue
			}
			ready = append(ready, a.attempt)
			if a.attempt.unfit == nil || errors.Is(a.attempt.unfit, ErrExcluded) {
				able = true // that a key is registered is told to whoever touches it
			} else {
				reasons = append(reasons, a.attempt.ineligible(a.attempt.unfit))
			}
			continue
		case <-late:
			reasons = append(reasons, errors.New("authenticator: a key did not answer"))
		}
		break
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("asking the keys: %w", err)
	}
	if !able {
		return nil, fmt.Errorf("asking the keys: %w", errors.Join(reasons...))
	}
	return ready, nil
}

// touched lets every key blink, each by the operation itself where that is possible,
// and returns the one that was touched with what came of it: no result yet from one
// that only blinked. The others are cancelled, and have answered or had their time.
func touched[T any](ctx context.Context, c *ceremony, attempts []*attempt[T]) (*attempt[T], T, error) {
	var none T
	devices, choose, sensors := make([]Device, 0, len(attempts)), false, true
	for _, a := range attempts {
		devices = append(devices, a.device)
		choose = choose || a.unfit == nil && a.plan.pin
		sensors = sensors && !a.blinksOnly() && a.plan.builtIn
	}
	done, err := c.prompt(ctx, devices, Prompt{Select: choose}, sensors)
	if err != nil {
		return nil, none, err
	}
	defer done()

	racing, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		attempt *attempt[T]
		result  T
		err     error
	}
	outcomes := make(chan outcome, len(attempts))
	for _, a := range attempts {
		go func() {
			o := outcome{attempt: a}
			if a.blinksOnly() {
				o.err = a.device.Select(racing)
			} else {
				o.result, o.err = a.do(racing, nil, a.plan.builtIn)
			}
			outcomes <- o
		}()
	}
	var failed []error
	for left := len(attempts); left > 0; {
		o := <-outcomes
		left--
		if !o.attempt.wasTouched(o.err) {
			failed = append(failed, o.err)
			continue
		}
		cancel()
		drain := time.After(settle)
		for ; left > 0; left-- {
			select {
			case <-outcomes:
			case <-drain:
				return o.attempt, o.result, o.err
			}
		}
		return o.attempt, o.result, o.err
	}
	if err := ctx.Err(); err != nil {
		return nil, none, fmt.Errorf("waiting for a touch: %w", err)
	}
	return nil, none, fmt.Errorf("waiting for a touch: %w", errors.Join(failed...))
}

// wasTouched tells from how its operation ended whether the person chose this key.
func (a *attempt[T]) wasTouched(err error) bool {
	if err == nil {
		return true
	}
	if a.blinksOnly() {
		return false
	}
	var s Status
	if !errors.As(err, &s) {
		return false
	}
	switch s {
	case ErrExcluded, statusKeyStoreFull, statusOperationDenied, statusUVInvalid, statusUVBlocked:
		return true
	case ErrNoCredentials, statusPUATRequired:
		return a.plan.builtIn // only after looking at a finger
	default:
		return false
	}
}
