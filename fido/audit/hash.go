package audit

import (
	"crypto/sha256"
	"encoding/hex"
)

// HashID is how records name a credential, whoever writes them: the SHA-256 of
// its ID in lower-case hexadecimal. The ID itself could name the person
// elsewhere; two spellings of one hash would tell two credentials where there is
// one.
func HashID(id []byte) string {
	sum := sha256.Sum256(id)
	return hex.EncodeToString(sum[:])
}
