package fido

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// safetyNetHost is whom the certificate of the service is issued to.
const safetyNetHost = "attest.android.com"

// verifySafetyNet follows §8.5, up to what the chain is worth. The service has
// been shut down; what it once said can still be read again.
// https://www.w3.org/TR/webauthn-3/#sctn-android-safetynet-attestation
func verifySafetyNet(att *protocol.AttestationObject, hash []byte, now time.Time) error {
	response, _ := att.AttStatement["response"].([]byte)
	if version, _ := att.AttStatement["ver"].(string); version == "" {
		return badAttestation("SafetyNet: no version")
	}
	chain, payload, err := readSafetyNet(string(response))
	if err != nil {
		return err
	}
	// "Verify that attestationCert is issued to the hostname "attest.android.com"."
	if chain[0].VerifyHostname(safetyNetHost) != nil {
		return badAttestation("SafetyNet: the certificate is not valid for " + safetyNetHost)
	}
	var said struct {
		Nonce           string `json:"nonce"`
		CTSProfileMatch bool   `json:"ctsProfileMatch"`
		TimestampMs     int64  `json:"timestampMs"`
	}
	if strictjson.Check(payload) != nil || json.Unmarshal(payload, &said) != nil {
		return badAttestation("SafetyNet: the response cannot be read")
	}
	nonce := sha256.Sum256(slices.Concat(att.RawAuthData, hash))
	stated, err := base64.StdEncoding.DecodeString(said.Nonce)
	switch at := time.UnixMilli(said.TimestampMs); {
	// "Verify that the nonce attribute in the payload of response is identical to
	// the Base64 encoding of the SHA-256 hash of the concatenation of
	// authenticatorData and clientDataHash."
	case err != nil || !bytes.Equal(stated, nonce[:]):
		return badAttestation("SafetyNet: the nonce is of another ceremony")
	// "Verify that the ctsProfileMatch attribute in the payload of response is true."
	case !said.CTSProfileMatch:
		return badAttestation("SafetyNet: ctsProfileMatch is false")
	case at.After(now) || now.Sub(at) > safetyNetAge:
		return badAttestation("SafetyNet: the response was not made just now")
	}
	return nil
}

// safetyNetAge is how long a response took at most to get here.
const safetyNetAge = time.Minute

// readSafetyNet verifies the signature of a JWS in compact serialization and
// returns the chain of whoever signed it.
func readSafetyNet(jws string) ([]*x509.Certificate, []byte, error) {
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return nil, nil, badAttestation("SafetyNet: the response is no JWS")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return nil, nil, badAttestation("SafetyNet: the response is no JWS")
		}
	}
	var header struct {
		Algorithm string   `json:"alg"`
		X5C       [][]byte `json:"x5c"` // in the standard alphabet, as encoding/json reads it
	}
	if strictjson.Check(decoded[0]) != nil || json.Unmarshal(decoded[0], &header) != nil || header.Algorithm != "RS256" {
		return nil, nil, badAttestation("SafetyNet: the response is not signed with RS256")
	}
	chain, err := parseChain(header.X5C)
	if err != nil {
		return nil, nil, err
	}
	if len(chain) == 0 {
		return nil, nil, badAttestation("SafetyNet: no certificate")
	}
	key, ok := chain[0].PublicKey.(*rsa.PublicKey)
	signed := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ok || key.N.BitLen() > maxRSABits || rsa.VerifyPKCS1v15(key, crypto.SHA256, signed[:], decoded[2]) != nil {
		return nil, nil, badAttestation("SafetyNet: wrong signature")
	}
	return chain, decoded[1], nil
}
