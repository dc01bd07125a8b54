package databricks

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"

	"github.com/lakekey/lakekey/internal/secret"
)

// maxIssued bounds what a source remembers of its tokens. At a quarter of an hour
// each, that many are longer than a session.
const maxIssued = 64

// issued knows the newest tokens of a source by their hashes: a token that was
// replaced is still good at its host, and must not be kept for this.
type issued struct {
	mu   sync.Mutex
	sums [][sha256.Size]byte // the newest last
}

func (i *issued) add(token secret.Value) {
	sum := sha256.Sum256([]byte(token.Reveal()))
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.sums) == maxIssued {
		i.sums = slices.Delete(i.sums, 0, 1)
	}
	i.sums = append(i.sums, sum)
}

func (i *issued) has(token secret.Value) bool {
	if token.IsZero() {
		return false
	}
	sum := sha256.Sum256([]byte(token.Reveal()))
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Contains(i.sums, sum)
}

// bearer is the token of an Authorization header, or nothing. The name of the
// scheme is in any case, RFC 9110 §11.1.
// https://www.rfc-editor.org/rfc/rfc9110#section-11.1
func bearer(authorization string) secret.Value {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return secret.Value{}
	}
	return secret.New(strings.Trim(token, " "))
}
