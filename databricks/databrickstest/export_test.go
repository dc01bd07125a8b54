package databrickstest

import (
	"strconv"
	"time"
)

// What the fuzz tests reach inside for.
var (
	DecodeStrict = decodeStrict
	ParseFilter  = func(s string) error { _, err := parseFilter(s); return err }
)

// KeySet tells how many usable keys a JWK Set has.
func KeySet(text []byte) (int, error) {
	keys, err := parseKeySet(text)
	return len(keys), err
}

// Allows reports whether a scope parameter would let a token call an API.
func Allows(scopes, name, method string) (allowed, ok bool) {
	set, ok := parseScopes(scopes)
	return ok && set.allows(name, method), ok
}

// FillGrants makes w remember as many tokens as it can, until they expire.
func (w *Workspace) FillGrants(expires time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 0; len(w.grants) < maxGrants; i++ {
		w.grants[hashToken(strconv.Itoa(i))] = grant{expires: expires}
	}
}
