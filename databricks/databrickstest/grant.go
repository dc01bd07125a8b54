package databrickstest

import (
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// maxTokenLifetime is "most commonly one hour":
// https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation-exchange
const maxTokenLifetime = time.Hour

// maxGrants bounds the memory that tokens take; beyond it the expired ones go,
// and if none has expired no token is issued.
const maxGrants = 100_000

type tokenHash [sha256.Size]byte

// grant is what one issued access token stands for.
type grant struct {
	principal principal
	scopes    scopeSet
	expires   time.Time
}

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }

// randomToken returns 256 random bits that read like one of Databricks' tokens
// and, unlike a JWT, tell nothing.
func randomToken() secret.Value { return secret.New("lktest-" + rand.Text() + rand.Text()) }

// issue stores a grant and returns the token for it, or false if the store is
// full of live tokens.
func (w *Workspace) issue(g grant) (secret.Value, bool) {
	token := randomToken()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.grants) >= maxGrants {
		now := w.now()
		for hash, old := range w.grants {
			if !now.Before(old.expires) {
				delete(w.grants, hash)
			}
		}
		if len(w.grants) >= maxGrants {
			return secret.Value{}, false
		}
	}
	w.grants[hashToken(token.Reveal())] = g
	return token, true
}

// RevokeTokens makes every access token issued so far useless and tells how many
// there were. The real service has no such call for one token; this stands for
// an admin who ends all sessions of a principal.
func (w *Workspace) RevokeTokens() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.grants)
	clear(w.grants)
	return n
}
