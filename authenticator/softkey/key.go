package softkey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Options script a key. The zero value is a key without a PIN that is touched
// at once and attests with the credential's own key.
type Options struct {
	AAGUID [16]byte // the model; zero: one of its own, in no metadata service
	PIN    []byte   // set when the key has none yet, and not kept; nil: none

	// Touch waits for the person and returns nil when the key was touched. It
	// must return when ctx is done. Any error before that is a refusal at the
	// key. nil: touched at once.
	Touch func(ctx context.Context) error

	// Verify is the key's sensor: it waits for a finger and returns nil when it
	// is one that it knows. It must return when ctx is done; any error before
	// that is a finger that it does not know. nil: the key has no sensor.
	Verify func(ctx context.Context) error
	// Fingers are enrolled when the key has none yet; without one the sensor
	// recognises nobody. Only with Verify.
	Fingers []string

	// Settings that a key without a PIN and credentials starts with.
	AlwaysUV       bool // verifies the user whatever a relying party asks for
	MinPINLength   int  // in code points; 0: 4
	ForcePINChange bool // the PIN serves to change it and for nothing else
	// UVForAll demands user verification for every new credential; otherwise
	// those that are not discoverable are made without.
	UVForAll bool

	CA            *CA  // attests with a certificate of this CA; nil: self attestation
	NoAttestation bool // attests nothing; CA must be nil then

	Algorithms []int            // COSE identifiers out of -7 and -8; nil: both
	Now        func() time.Time // for token and reset periods; nil: time.Now
}

// ownAAGUID is the model of a key whose Options name none: "lakekey", "softkey".
var ownAAGUID = [16]byte{0x6c, 0x61, 0x6b, 0x65, 0x6b, 0x65, 0x79, 0x00, 0x80, 0x73, 0x6f, 0x66, 0x74, 0x6b, 0x65, 0x79}

// Key is a software key. It implements authenticator.Transport.
type Key struct {
	opts     Options
	attester *attester // nil: self or no attestation
	file     *file     // nil: in memory
	turn     chan struct{}
	touches  atomic.Int64

	// Below is used only by the holder of turn.
	closed bool
	state
	volatile
}

// volatile is what a power cycle clears.
type volatile struct {
	poweredAt  time.Time
	protocols  map[int64]*pinProtocol
	mismatches int // wrong PINs in a row
	next       *pendingAssertions
	listing    *listing    // what credentialManagement still has to tell
	enrollment *enrollment // a finger that is being enrolled
	blobWrite  *blobWrite  // a large-blob array that is being written
}

// New returns a key in memory.
func New(o Options) (*Key, error) { return newKey(nil, freshState(), o) }

// Open returns a key that keeps its credentials, its PIN and its counters in a
// file, which is made with mode 0600 if it is not there. A file that others can
// read is refused, and one that another key has open fails with [ErrInUse].
//
// The file holds the private keys in the clear and says so in its first line.
// Beside it stays an empty lock file, path.lock.
func Open(path string, o Options) (*Key, error) {
	f, s, err := openFile(path)
	if err != nil {
		return nil, err
	}
	k, err := newKey(f, s, o)
	if err != nil {
		f.close()
		return nil, err
	}
	return k, nil
}

func newKey(f *file, s state, o Options) (*Key, error) {
	if o.CA != nil && o.NoAttestation {
		return nil, errors.New("softkey: a key with a CA cannot attest nothing")
	}
	if o.AAGUID == ([16]byte{}) {
		o.AAGUID = ownAAGUID
	}
	if o.Algorithms == nil {
		o.Algorithms = []int{algES256, algEdDSA}
	}
	for _, alg := range o.Algorithms {
		if alg != algES256 && alg != algEdDSA {
			return nil, fmt.Errorf("softkey: algorithm %d is not one of -7 and -8", alg)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Touch == nil {
		o.Touch = func(ctx context.Context) error { return ctx.Err() }
	}
	o.Algorithms = slices.Clone(o.Algorithms)
	if len(o.Fingers) > 0 && o.Verify == nil {
		return nil, errors.New("softkey: a key without Verify has no sensor for fingers")
	}
	if len(o.Fingers) > maxFingers || o.MinPINLength > maxPINBytes {
		return nil, fmt.Errorf("softkey: a key has at most %d fingers and PINs of %d bytes", maxFingers, maxPINBytes)
	}
	k := &Key{opts: o, file: f, turn: make(chan struct{}, 1), state: s}
	k.opts.PIN = nil
	if o.CA != nil {
		a, err := o.CA.attester(o.AAGUID)
		if err != nil {
			return nil, err
		}
		k.attester = a
	}
	if err := k.powerUp(); err != nil {
		return nil, err
	}
	if err := k.furnish(o); err != nil {
		return nil, err
	}
	return k, nil
}

// furnish brings a key into the state that its Options describe, as far as it is
// not set up already.
func (k *Key) furnish(o Options) error {
	next, changed := k.state.clone(), false
	if next.pinHash == nil && len(next.credentials) == 0 && (o.AlwaysUV || o.MinPINLength > minPINLength) {
		changed = true
		next.alwaysUV = o.AlwaysUV
		next.minPINLength = max(minPINLength, o.MinPINLength)
	}
	if o.PIN != nil && next.pinHash == nil {
		pin := norm.NFC.Append(make([]byte, 0, 3*len(o.PIN)), o.PIN...)
		defer clear(pin)
		if utf8.RuneCount(pin) < next.minPINLength || len(pin) > maxPINBytes {
			return fmt.Errorf("softkey: a PIN has at least %d characters and at most %d bytes", next.minPINLength, maxPINBytes)
		}
		next.pinHash, next.pinLength, next.forcePINChange = hashPIN(pin), utf8.RuneCount(pin), o.ForcePINChange
		changed = true
	}
	if len(next.fingers) == 0 {
		for _, name := range o.Fingers {
			next.fingers = append(next.fingers, newFinger(name))
			changed = true
		}
	}
	if !changed {
		return nil
	}
	if err := k.commit(func(s *state) { *s = next }); err != nil {
		return errors.New("softkey: the key could not be stored")
	}
	return nil
}

// Touches returns how many times the key was touched, in other words how many
// user presence tests it has granted.
func (k *Key) Touches() int { return int(k.touches.Load()) }

// PowerCycle unplugs the key and plugs it in again: tokens and a block after
// three wrong PINs are gone, credentials stay. It waits for a command under way.
func (k *Key) PowerCycle() error {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	return k.powerUp()
}

// Close releases the file. Commands after Close fail.
func (k *Key) Close() error {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	if k.closed {
		return nil
	}
	k.closed = true
	if k.file == nil {
		return nil
	}
	if err := k.file.close(); err != nil {
		return fmt.Errorf("softkey: closing the file: %v", err)
	}
	return nil
}

func (k *Key) powerUp() error {
	k.volatile = volatile{poweredAt: k.opts.Now(), protocols: make(map[int64]*pinProtocol)}
	for _, number := range pinProtocolNumbers {
		p, err := newPINProtocol(number)
		if err != nil {
			return err
		}
		k.protocols[number] = p
	}
	return nil
}
