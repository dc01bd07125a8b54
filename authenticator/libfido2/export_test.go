//go:build libfido2 && cgo && linux

package libfido2

import gofido "github.com/keys-pub/go-libfido2"

// Rebuild makes an attestation statement of parts.
func Rebuild(format string, credentialAlg int, sig, certificate []byte) ([]byte, error) {
	return attestationStatement(&gofido.Attestation{Format: format, CredentialType: gofido.CredentialType(credentialAlg), Sig: sig, Cert: certificate})
}

// Translate translates go-libfido2's error with a number.
func Translate(code int) error { return translate(gofido.Error{Code: code}) }

// TranslateNamed translates every error of go-libfido2 that has no number, and
// returns the code each was given.
func TranslateNamed() map[int]error {
	all := map[int]error{}
	for _, n := range named {
		all[n.code] = translate(n.err)
	}
	return all
}

var UnwrapAuthData = unwrapAuthData
