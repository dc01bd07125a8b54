package mds

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// maxBlob bounds a blob. Production ones have between 4 and 11 MB.
const maxBlob = 32 << 20

// maxChain is more than any signer has and little enough to verify.
const maxChain = 8

// jws is a JSON Web Signature in compact serialization, taken apart and decoded,
// but not verified.
// https://www.rfc-editor.org/rfc/rfc7515.html#section-7.1
type jws struct {
	algorithm string
	chain     []*x509.Certificate // the signer's first
	signed    []byte              // what the signature is over
	payload   []byte
	signature []byte
}

func splitJWS(blob []byte) (*jws, error) {
	// A text file may end with a line break; nothing else may be added to a blob.
	blob = bytes.TrimRight(blob, "\r\n")
	if len(blob) > maxBlob {
		return nil, refused("form", "it is longer than %d MiB", maxBlob>>20)
	}
	header, rest, ok := bytes.Cut(blob, []byte{'.'})
	payload, signature, ok2 := bytes.Cut(rest, []byte{'.'})
	if !ok || !ok2 || bytes.IndexByte(signature, '.') >= 0 {
		return nil, refused("form", "it is not three parts joined by dots, as a signed JWT is")
	}
	j := &jws{signed: blob[:len(header)+1+len(payload)]}
	var decoded [3][]byte
	for i, part := range [][]byte{header, payload, signature} {
		// The decoder skips line breaks, so that one blob would have many spellings.
		if bytes.ContainsAny(part, "\r\n") {
			return nil, refused("form", "part %d has a line break in it", i+1)
		}
		decoded[i] = make([]byte, base64.RawURLEncoding.DecodedLen(len(part)))
		n, err := base64.RawURLEncoding.Strict().Decode(decoded[i], part)
		if err != nil {
			return nil, refused("form", "part %d is not base64url without padding", i+1)
		}
		decoded[i] = decoded[i][:n]
	}
	j.payload, j.signature = decoded[1], decoded[2]
	return j, j.header(decoded[0])
}

// header reads the members that we go by. x5u is not one of them: "The FIDO
// Server MUST verify that the URL specified by the x5u attribute has the same
// web-origin as the URL used to download the metadata BLOB from" is kept by
// never fetching what an unverified text points to.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#metadata-blob-object-processing-rules
func (j *jws) header(text []byte) error {
	var x5c []string
	err := strictjson.Members(text, func(name, value []byte) (err error) {
		switch string(name) {
		case "alg":
			j.algorithm, err = strictjson.Text(value)
		case "typ":
			var typ string
			if typ, err = strictjson.Text(value); err == nil && typ != "JWT" {
				return refused("header", "typ is %.40q and not JWT", typ)
			}
		case "x5c":
			err = json.Unmarshal(value, &x5c)
		case "crit":
			// "If any of the listed extension Header Parameters are not understood
			// and supported by the recipient, then the JWS is invalid."
			// https://www.rfc-editor.org/rfc/rfc7515.html#section-4.1.11
			return refused("header", "crit demands an extension that is not known here")
		}
		return err
	})
	if _, ours := err.(*VerificationError); ours {
		return err
	}
	if err != nil {
		return refused("header", "%v", err)
	}
	switch j.algorithm {
	case "ES256", "RS256", "PS256":
	default:
		return refused("header", "alg is %.40q; ES256, RS256 and PS256 are accepted", j.algorithm)
	}
	if len(x5c) == 0 || len(x5c) > maxChain {
		return refused("header", "x5c has %d certificates, and must have 1 to %d", len(x5c), maxChain)
	}
	for i, text := range x5c {
		// "Each string in the array is a base64-encoded (not base64url-encoded) DER
		// PKIX certificate value."
		// https://www.rfc-editor.org/rfc/rfc7515.html#section-4.1.6
		der, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return refused("certificate", "x5c[%d] is not base64", i)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return refused("certificate", "x5c[%d]: %v", i, err)
		}
		j.chain = append(j.chain, c)
	}
	return nil
}

// verify checks the signature with the signer's key. The algorithm and the kind
// of key must belong together: neither may choose for the other.
// https://www.rfc-editor.org/rfc/rfc7518.html#section-3.1
func (j *jws) verify() error {
	hash := sha256.Sum256(j.signed)
	switch key := j.chain[0].PublicKey.(type) {
	case *ecdsa.PublicKey:
		if j.algorithm != "ES256" || key.Curve != elliptic.P256() {
			return refused("signature", "alg is %s and the signer's key is on curve %s", j.algorithm, key.Curve.Params().Name)
		}
		if len(j.signature) != 64 {
			return refused("signature", "an ES256 signature has 64 bytes, this one %d", len(j.signature))
		}
		r, s := new(big.Int).SetBytes(j.signature[:32]), new(big.Int).SetBytes(j.signature[32:])
		if !ecdsa.Verify(key, hash[:], r, s) {
			return refused("signature", "it does not match the signer's key")
		}
		return nil
	case *rsa.PublicKey:
		if key.Size() < 256 {
			return refused("signature", "the signer's RSA key has %d bits, fewer than 2048", key.Size()*8)
		}
		var err error
		switch j.algorithm {
		case "RS256":
			err = rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], j.signature)
		case "PS256":
			// "The size of the salt value is the same size as the hash function output."
			// https://www.rfc-editor.org/rfc/rfc7518.html#section-3.5
			err = rsa.VerifyPSS(key, crypto.SHA256, hash[:], j.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		default:
			return refused("signature", "alg is %s and the signer's key is an RSA key", j.algorithm)
		}
		if err != nil {
			return refused("signature", "it does not match the signer's key")
		}
		return nil
	default:
		return refused("signature", "the signer's key is a %T, which no accepted alg uses", key)
	}
}
