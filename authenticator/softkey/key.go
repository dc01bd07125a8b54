package softkey

import (
	"context"
	"crypto/x509"
	"errors"
	"time"
)

// ErrInUse reports that another process, or another Key of this one, has the
// file open.
var ErrInUse = errors.New("softkey: the file is in use by another key")

// Options script a key. The zero value is a key without a PIN that is touched
// at once and attests with the credential's own key.
type Options struct {
	AAGUID [16]byte // the model; zero: a model of its own, not known to any metadata
	PIN    []byte   // set when the key has none yet; nil: none

	// Touch waits for the person and returns nil when the key was touched.
	// Any error before ctx is done is a refusal. nil: touched at once.
	Touch func(ctx context.Context) error

	CA            *CA  // attests with a certificate of this CA; nil: self attestation
	NoAttestation bool // attests nothing; CA must be nil

	Algorithms []int            // COSE identifiers of -7 and -8, in the order of preference; nil: both
	Now        func() time.Time // nil: time.Now
}

// Key is a software key. It implements authenticator.Transport.
type Key struct{}

// New returns a key in memory.
func New(o Options) (*Key, error) { return &Key{}, nil }

// Open returns a key in a file.
func Open(file string, o Options) (*Key, error) { return &Key{}, nil }

// CBOR implements authenticator.Transport.
func (k *Key) CBOR(ctx context.Context, msg []byte) ([]byte, error) { return nil, nil }

// Touches returns how many times the key was touched.
func (k *Key) Touches() int { return 0 }

// PowerCycle unplugs the key and plugs it in again.
func (k *Key) PowerCycle() {}

// Close releases the file.
func (k *Key) Close() error { return nil }

// CA issues attestation certificates.
type CA struct{}

// NewCA returns a CA.
func NewCA(name string) (*CA, error) { return &CA{}, nil }

// Certificate returns the root.
func (ca *CA) Certificate() *x509.Certificate { return nil }
