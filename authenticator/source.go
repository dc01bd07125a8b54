package authenticator

import (
	"context"
	"slices"
)

// Source knows which keys are plugged in. Implementations are safe for
// concurrent use.
//
// One that notices when a key is plugged in or pulled out says so by a method
//
//	Wait(ctx context.Context) error
//
// which returns when the keys may be others than at the last call of Devices, or with
// an error that wraps ctx.Err(). Without it a [Client] that waits for a key looks again
// and again.
type Source interface {
	// Devices returns the keys that are there now, none being no error. They
	// stay the Source's: whoever asks does not close them.
	Devices(ctx context.Context) ([]Device, error)
}

// waiter is the optional method of a Source.
type waiter interface {
	Wait(ctx context.Context) error
}

// Devices returns a Source of these keys and no others.
func Devices(d ...Device) Source { return fixedSource(slices.Clone(d)) }

type fixedSource []Device

func (s fixedSource) Devices(context.Context) ([]Device, error) { return slices.Clone(s), nil }
