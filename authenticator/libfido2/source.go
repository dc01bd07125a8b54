package libfido2

import (
	"context"

	"github.com/lakekey/lakekey/authenticator"
)

// Source finds keys through libfido2. It implements authenticator.Source.
type Source struct{ backend backend }

// backend is what the build tag decides on.
type backend interface {
	devices(ctx context.Context) ([]authenticator.Device, error)
	open(path string) (authenticator.Device, error)
}

// NewSource returns a Source, or an [*UnsupportedError] if the program was built
// without libfido2.
func NewSource() (*Source, error) {
	b, err := newBackend()
	if err != nil {
		return nil, err
	}
	return &Source{backend: b}, nil
}

// Devices returns the keys that are plugged in now, none being no error.
func (s *Source) Devices(ctx context.Context) ([]authenticator.Device, error) {
	return s.backend.devices(ctx)
}

// Open returns the key at a path: /dev/hidraw0, or what libfido2 lists. It does not
// touch the key yet; a path with no key behind fails in the first operation.
func (s *Source) Open(path string) (authenticator.Device, error) { return s.backend.open(path) }
