package softkey

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
)

// state is what survives a power cycle.
type state struct {
	credentials []credential // in the order of creation
	pinHash     []byte       // the left 16 bytes of SHA-256(PIN), as real keys keep it; nil: no PIN
	pinLength   int          // of the PIN in code points: a longer minimum forces a change
	pinRetries  int
	uvRetries   int
	fingers     []finger
	blobs       []byte // the serialized large-blob array

	minPINLength   int
	minPINReaders  []string // RP IDs that may read it, by the minPinLength extension
	forcePINChange bool
	alwaysUV       bool
}

const (
	maxPINRetries  = 8
	maxCredentials = 256
)

func freshState() state {
	return state{pinRetries: maxPINRetries, uvRetries: maxUVRetries, minPINLength: minPINLength, blobs: emptyLargeBlobs()}
}

// hashPIN leaves no copy of the PIN behind: SHA-256 keeps its input on the stack, and
// hashing as many zeros overwrites it there.
func hashPIN(pin []byte) []byte {
	sum := sha256.Sum256(pin)
	sha256.Sum256(make([]byte, len(pin)))
	return sum[:16]
}

func (s *state) clone() state {
	next := *s
	next.credentials = slices.Clone(s.credentials)
	next.fingers = slices.Clone(s.fingers)
	return next
}

// find returns the index of a credential with this ID for this RP ID, or -1.
func (s *state) find(rpID string, id []byte) int {
	return slices.IndexFunc(s.credentials, func(c credential) bool {
		return c.RPID == rpID && subtle.ConstantTimeCompare(c.ID, id) == 1
	})
}

// commit changes the state and returns only when the change is as durable as the
// key can make it: a PIN retry that is not written down could be tried again
// after a restart, and a counter that goes backwards looks like a cloned key.
func (k *Key) commit(change func(*state)) error {
	next := k.state.clone()
	change(&next)
	if k.file != nil {
		if err := k.file.save(&next); err != nil {
			return errOther
		}
	}
	k.state = next
	return nil
}
