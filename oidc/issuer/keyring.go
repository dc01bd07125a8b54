package issuer

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keyCheck is how old what a replica knows of the keys may be before it looks.
	keyCheck = time.Second
	// keyTouch is how long it goes by what it knows while it cannot look. After
	// that a key might have been revoked, and nothing is signed or recognized.
	keyTouch = 5 * time.Second
)

// KeyConfig says how an issuer signs.
type KeyConfig struct {
	// Algorithm is of the keys that are made in the store: "ES256", or "RS256" for
	// relying parties that take nothing else; empty means ES256. A change comes
	// with the next key, which signs after two days.
	Algorithm string
	// Lifetime is how long a key of the store signs before the next one does. 0
	// means 90 days; less than 4 days is refused.
	Lifetime time.Duration
	// Signers are keys that are held elsewhere, in a KMS, a TPM or a file (see
	// [ParseSigners]): ECDSA on P-256, or RSA. If there are any, no key is made in
	// the store. They sign in this order: one that joins the list, behind the one
	// that signs, is published from then on and signs two days later; only then may
	// the one before go. Sign must end by itself in bounded time.
	Signers []crypto.Signer
}

// Keyring is the signing keys of the issuer that keeps them in a store, for that
// issuer and for the program that looks after them. It is safe for concurrent use.
type Keyring struct {
	store     Store
	algorithm string
	lifetime  time.Duration
	now       func() time.Time
	elsewhere []crypto.PublicKey // of KeyConfig.Signers
	signers   map[string]crypto.Signer
	noticed   func(context.Context, []Key) error // nil: nobody asks

	turn   chan struct{} // one looks at a time
	held   atomic.Pointer[heldKeys]
	failed atomic.Pointer[keyFailure]
	parsed map[string]*ringKey // by ID; for whose turn it is
}

// heldKeys is what a replica knows of the keys.
type heldKeys struct {
	at         time.Time
	set        jose.JSONWebKeySet // that are published
	document   json.RawMessage    // set
	algorithms []string           // of set
	signer     *signer
	why        error // there is no signer
}

type keyFailure struct {
	at  time.Time
	err error
}

// OpenKeyring returns the keys in a store. It changes nothing: an [Issuer] makes
// the first one, and every later one in time. now tells the time; nil means time.Now.
func OpenKeyring(store Store, cfg KeyConfig, now func() time.Time) (*Keyring, error) {
	r := &Keyring{store: store, algorithm: cfg.Algorithm, lifetime: cfg.Lifetime, now: now, signers: map[string]crypto.Signer{}, turn: make(chan struct{}, 1), parsed: map[string]*ringKey{}}
	switch {
	case store == nil:
		return nil, errors.New("issuer: a store is required")
	case cfg.Lifetime != 0 && cfg.Lifetime < minKeyLifetime:
		return nil, fmt.Errorf("issuer: KeyConfig.Lifetime is %v, must be 0 (%v) or at least %v", cfg.Lifetime, defaultKeyLifetime, minKeyLifetime)
	}
	switch cfg.Algorithm {
	case "":
		r.algorithm = string(jose.ES256)
	case string(jose.ES256), string(jose.RS256):
	default:
		return nil, fmt.Errorf("issuer: KeyConfig.Algorithm is %q, must be ES256 or RS256", cfg.Algorithm)
	}
	if r.lifetime == 0 {
		r.lifetime = defaultKeyLifetime
	}
	if r.now == nil {
		r.now = time.Now
	}
	for n, s := range cfg.Signers {
		if s == nil {
			return nil, fmt.Errorf("issuer: KeyConfig.Signers[%d] is nil", n)
		}
		k, err := keyOf(s.Public(), time.Time{}, time.Time{})
		if err != nil {
			return nil, fmt.Errorf("KeyConfig.Signers[%d]: %w", n, err)
		}
		r.elsewhere, r.signers[k.ID] = append(r.elsewhere, s.Public()), s
	}
	return r, nil
}

// List returns every key that there has ever been, oldest first.
func (r *Keyring) List(ctx context.Context) ([]KeyState, error) {
	keys, err := r.store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	states := keyStates(keys, r.now())
	for n, k := range keys {
		if parsed, err := parseKey(k); err == nil {
			states[n].Algorithm = parsed.public.Algorithm
		}
	}
	return states, nil
}

// Rotate adds a key that signs in two days, when every cache knows it, and returns
// it. The one that signs now goes on until then, and stays published for what it
// has signed: nobody notices.
func (r *Keyring) Rotate(ctx context.Context) (KeyState, error) {
	if len(r.elsewhere) > 0 {
		return KeyState{}, errors.New("issuer: the signing keys are held elsewhere: make the next one there, and add it to KeyConfig.Signers")
	}
	keys, err := r.store.Keys(ctx)
	if err != nil {
		return KeyState{}, fmt.Errorf("reading the signing keys: %w", err)
	}
	now := r.now()
	k, err := newKey(r.algorithm, now, now.Add(keyLead))
	if err != nil {
		return KeyState{}, err
	}
	if err := r.store.AddKey(ctx, k, newest(keys)); err != nil {
		return KeyState{}, fmt.Errorf("adding a signing key: %w", err) // ErrTaken: somebody else is at it
	}
	r.forget()
	return KeyState{ID: k.ID, Algorithm: r.algorithm, Status: KeyNext, Created: now, SignsFrom: k.SignsFrom}, nil
}

// Revoke takes a key that is in other hands out of use at once: it is no longer
// published, its private half is forgotten, nothing that it has signed is taken
// here again, and the key that waits signs in its place. Every replica follows
// within five seconds; relying parties when they next fetch the key set. The error
// is [ErrNotFound] if there is no such key; revoking one twice is no error.
func (r *Keyring) Revoke(ctx context.Context, id, reason string) error {
	if _, err := r.store.RevokeKey(ctx, id, reason, r.now()); err != nil {
		return fmt.Errorf("revoking a signing key: %w", err)
	}
	r.forget()
	return nil
}

// forget makes whoever needs the keys next look at the store.
func (r *Keyring) forget() {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.failed.Store(nil)
	if h := r.held.Load(); h != nil {
		old := *h
		old.at = time.Time{}
		r.held.Store(&old)
	}
}

// current returns what is known of the keys, and looks if that is old. While the
// store cannot be asked that is good for a moment longer.
func (r *Keyring) current(ctx context.Context) (*heldKeys, error) {
	h := r.held.Load()
	if r.younger(h, keyCheck) {
		return h, nil
	}
	select {
	case r.turn <- struct{}{}:
	default:
		if r.younger(h, keyTouch) { // somebody is looking
			return h, nil
		}
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the signing keys: %w", ctx.Err())
		}
	}
	defer func() { <-r.turn }()
	if h = r.held.Load(); r.younger(h, keyCheck) {
		return h, nil
	}
	err := r.recent()
	if err == nil {
		var fresh *heldKeys
		if fresh, err = r.look(ctx); err == nil {
			r.held.Store(fresh)
			return fresh, nil
		}
		if ctx.Err() == nil { // or it was who asked that gave up
			r.failed.Store(&keyFailure{r.now(), err})
		}
	}
	if r.younger(h, keyTouch) {
		return h, nil
	}
	return nil, err
}

// younger reports whether h was looked at less than d ago; a clock that was set
// back says nothing.
func (r *Keyring) younger(h *heldKeys, d time.Duration) bool {
	if h == nil {
		return false
	}
	age := r.now().Sub(h.at)
	return age >= 0 && age < d
}

// recent is the error of a look that was just made: a store that fails is not asked
// by every request.
func (r *Keyring) recent() error {
	if f := r.failed.Load(); f != nil {
		if age := r.now().Sub(f.at); age >= 0 && age < keyCheck {
			return f.err
		}
	}
	return nil
}

// look reads the keys, and adds what is due.
func (r *Keyring) look(ctx context.Context) (*heldKeys, error) {
	for {
		keys, err := r.store.Keys(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the signing keys: %w", err)
		}
		now := r.now()
		states := keyStates(keys, now)
		due, err := r.due(keys, states, now)
		if err != nil {
			return nil, err
		}
		if due == nil {
			if r.noticed != nil {
				if err := r.noticed(ctx, keys); err != nil {
					return nil, err
				}
			}
			return r.hold(keys, states, now)
		}
		if err := r.store.AddKey(ctx, *due, newest(keys)); err != nil && !errors.Is(err, ErrTaken) {
			return nil, fmt.Errorf("adding a signing key: %w", err)
		}
	}
}

// due returns the key to add now; nil: none. One always waits, so that caches know
// it when its time comes, and when it must step in.
func (r *Keyring) due(keys []Key, states []KeyState, now time.Time) (*Key, error) {
	signing, from := statusAt(states, KeySigning), now
	if signing >= 0 {
		from = now.Add(keyLead)
	}
	for _, public := range r.elsewhere {
		if k, err := keyOf(public, now, from); err != nil || indexOf(keys, k.ID) < 0 {
			return &k, err
		}
	}
	if len(r.elsewhere) > 0 || signing >= 0 && statusAt(states, KeyNext) >= 0 {
		return nil, nil
	}
	if signing >= 0 {
		// A key of another algorithm than is wanted goes as soon as it can.
		current, err := r.parse(keys[signing])
		if err != nil {
			return nil, err
		}
		if end := keys[signing].SignsFrom.Add(r.lifetime); end.After(from) && current.public.Algorithm == r.algorithm {
			from = end
		}
	}
	k, err := newKey(r.algorithm, now, from)
	return &k, err
}

func newest(keys []Key) string {
	if len(keys) == 0 {
		return ""
	}
	return keys[len(keys)-1].ID
}

func indexOf(keys []Key, id string) int {
	for n, k := range keys {
		if k.ID == id {
			return n
		}
	}
	return -1
}

// hold makes the keys ready for use.
func (r *Keyring) hold(keys []Key, states []KeyState, now time.Time) (*heldKeys, error) {
	h := &heldKeys{at: now, why: errors.New("issuer: no signing key is left: add one to KeyConfig.Signers")}
	for n, s := range states {
		if s.Status == KeyRetired || s.Status == KeyRevoked {
			delete(r.parsed, s.ID)
			continue
		}
		k, err := r.parse(keys[n])
		if err != nil {
			return nil, err
		}
		h.set.Keys = append(h.set.Keys, k.public)
		if h.algorithms == nil || h.algorithms[0] != k.public.Algorithm && len(h.algorithms) == 1 {
			h.algorithms = append(h.algorithms, k.public.Algorithm)
		}
		if s.Status != KeySigning {
			continue
		}
		if k.private == nil {
			h.why = fmt.Errorf("issuer: the private half of signing key %q is held elsewhere: add it to KeyConfig.Signers", s.ID)
			continue
		}
		if h.signer, err = newSigner(k); err != nil {
			return nil, err
		}
	}
	var err error
	if h.document, err = json.Marshal(h.set); err != nil {
		return nil, fmt.Errorf("issuer: encoding the key set: %v", err)
	}
	return h, nil
}

func (r *Keyring) parse(k Key) (*ringKey, error) {
	if known := r.parsed[k.ID]; known != nil {
		return known, nil
	}
	parsed, err := parseKey(k)
	if err != nil {
		return nil, err
	}
	if parsed.private == nil {
		parsed.private = r.signers[k.ID]
	}
	r.parsed[k.ID] = parsed
	return parsed, nil
}

// sign returns the signer of now.
func (r *Keyring) sign(ctx context.Context) (*signer, error) {
	h, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	if h.signer == nil {
		return nil, h.why
	}
	return h.signer, nil
}

// published returns what is known of the keys, however old that is: where the store
// is out of reach, what was signed before must still be verifiable.
func (r *Keyring) published(ctx context.Context) (*heldKeys, error) {
	h, err := r.current(ctx)
	if err != nil {
		if last := r.held.Load(); last != nil {
			return last, nil
		}
	}
	return h, err
}
