package softkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// CA is a test authority that issues attestation certificates, as a manufacturer
// does for its models: a root, an intermediate, and a leaf for each key. It is
// safe for concurrent use.
type CA struct {
	name         string
	root         *x509.Certificate
	intermediate *x509.Certificate
	signer       *ecdsa.PrivateKey // the intermediate's; the root's is thrown away
}

// The certificates are valid at any time a fake clock is likely to show: when
// they expire is not what they are for.
var (
	notBefore = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// NewCA makes a CA with fresh keys. The name becomes the organisation in its
// certificates.
func NewCA(name string) (*CA, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("softkey: making a CA: %v", err)
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("softkey: making a CA: %v", err)
	}
	authority := func(title string, pathLen int) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber:          big.NewInt(int64(pathLen) + 1),
			Subject:               pkix.Name{Country: []string{"SE"}, Organization: []string{name}, CommonName: name + " " + title},
			NotBefore:             notBefore,
			NotAfter:              notAfter,
			IsCA:                  true,
			BasicConstraintsValid: true,
			MaxPathLen:            pathLen,
			MaxPathLenZero:        pathLen == 0,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
	}
	root, err := issue(authority("Attestation Root", 1), nil, rootKey, rootKey)
	if err != nil {
		return nil, err
	}
	intermediate, err := issue(authority("Attestation CA", 0), root, signer, rootKey)
	if err != nil {
		return nil, err
	}
	return &CA{name: name, root: root, intermediate: intermediate, signer: signer}, nil
}

// Certificate returns the root, the trust anchor that a relying party pins.
func (ca *CA) Certificate() *x509.Certificate { return ca.root }

// attester makes the attestation key and certificate chain of one key.
func (ca *CA) attester(aaguid [16]byte) (*attester, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("softkey: making an attestation key: %v", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("softkey: making an attestation key: %v", err)
	}
	// "id-fido-gen-ce-aaguid … the AAGUID is wrapped in two OCTET STRINGS": this
	// one, and the extension value itself. It must not be critical, and the
	// subject is prescribed. https://www.w3.org/TR/webauthn-3/#sctn-packed-attestation-cert-requirements
	wrapped, err := asn1.Marshal(aaguid[:])
	if err != nil {
		return nil, fmt.Errorf("softkey: making an attestation certificate: %v", err)
	}
	leaf, err := issue(&x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Country:            []string{"SE"},
			Organization:       []string{ca.name},
			OrganizationalUnit: []string{"Authenticator Attestation"},
			CommonName:         ca.name + " Software Key",
		},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtraExtensions:       []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: wrapped}},
	}, ca.intermediate, key, ca.signer)
	if err != nil {
		return nil, err
	}
	return &attester{key: key, chain: []any{leaf.Raw, ca.intermediate.Raw}}, nil
}

// issue signs a certificate for key; a nil parent signs itself.
func issue(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("softkey: issuing a certificate: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("softkey: issuing a certificate: %v", err)
	}
	return cert, nil
}
