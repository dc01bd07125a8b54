package issuer

import "time"

const (
	// keyLead is how long a new key is published before it signs. Databricks does
	// not say how long it keeps a key set; a day is the longest that is known of
	// others, and Microsoft Entra ID asks for two days.
	keyLead = 48 * time.Hour
	// keyOverlap is how long a key stays published that no longer signs: as long as
	// any token lives, and a margin for clocks, and for replicas that have not
	// noticed yet.
	keyOverlap = maxTokenLifetime + 10*time.Minute

	defaultKeyLifetime = 90 * 24 * time.Hour
	minKeyLifetime     = 2 * keyLead
)

// KeyStatus says what a signing key does now.
type KeyStatus string

// The statuses, in the order in which a key has them.
const (
	KeyNext     KeyStatus = "next"     // published, so that caches know it, and ready
	KeySigning  KeyStatus = "signing"  // what is issued now is signed with it
	KeyRetiring KeyStatus = "retiring" // published still, for the tokens that it has signed
	KeyRetired  KeyStatus = "retired"  // no longer published
	KeyRevoked  KeyStatus = "revoked"  // what it has signed is good for nothing
)

// KeyState is a signing key at a moment. It holds no secret.
type KeyState struct {
	ID             string // its kid
	Algorithm      string
	Status         KeyStatus
	Elsewhere      bool // its private half is not in the store
	Created        time.Time
	SignsFrom      time.Time
	PublishedUntil time.Time // zero: as long as no other takes over
	Revoked        time.Time
	RevokeReason   string
}

// keyStates says what each key does at now; it follows from the rows alone, so that
// all replicas agree. A key signs from its time on, unless a later one does. The
// key that waits steps in at once for one that was revoked.
func keyStates(keys []Key, now time.Time) []KeyState {
	states := make([]KeyState, len(keys))
	var over time.Time // since when a later key signs
	for n := len(keys) - 1; n >= 0; n-- {
		k := keys[n]
		s := KeyState{ID: k.ID, Elsewhere: k.PKCS8.IsZero(), Created: k.Created, SignsFrom: k.SignsFrom, Revoked: k.Revoked, RevokeReason: k.RevokeReason}
		if !over.IsZero() {
			s.PublishedUntil = over.Add(keyOverlap)
		}
		switch {
		case !k.Revoked.IsZero():
			s.Status, s.PublishedUntil = KeyRevoked, k.Revoked
		case !over.IsZero() && !now.Before(s.PublishedUntil):
			s.Status = KeyRetired
		case !over.IsZero():
			s.Status = KeyRetiring
		case k.SignsFrom.After(now):
			s.Status = KeyNext
		default:
			s.Status = KeySigning
		}
		states[n] = s
		signed := !k.SignsFrom.After(now) && (k.Revoked.IsZero() || !k.Revoked.Before(k.SignsFrom))
		if signed && (over.IsZero() || k.SignsFrom.Before(over)) {
			over = k.SignsFrom
		}
	}
	if statusAt(states, KeySigning) < 0 {
		if n := statusAt(states, KeyNext); n >= 0 {
			states[n].Status = KeySigning
		}
	}
	return states
}

// statusAt is the place of the first key with a status; -1: none has it.
func statusAt(states []KeyState, status KeyStatus) int {
	for n, s := range states {
		if s.Status == status {
			return n
		}
	}
	return -1
}
