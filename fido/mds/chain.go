package mds

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// fidoHosts are the names that the signer of a blob may bear.
var fidoHosts = []string{"mds.fidoalliance.org", "mds3.fidoalliance.org"}

// verifyChain returns the chain from the signer to one of the roots.
//
// "The certificate chain MUST be verified to properly chain to the metadata BLOB
// signing trust anchor according to RFC 5280."
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#metadata-blob-object-processing-rules
func verifyChain(sent, roots []*x509.Certificate, hosts []string, now time.Time) ([]*x509.Certificate, error) {
	anchors, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range roots {
		anchors.AddCert(r)
	}
	for _, c := range sent[1:] {
		// A root that came along with the blob vouches for nothing; it is not even
		// offered to the verifier.
		if !bytes.Equal(c.RawIssuer, c.RawSubject) {
			intermediates.AddCert(c)
		}
	}
	signer := sent[0]
	chains, err := signer.Verify(x509.VerifyOptions{
		Roots: anchors, Intermediates: intermediates, CurrentTime: now,
		// The signer's certificate is a TLS server's today. The standard does not
		// ask for any extended key usage.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, refused("chain", "the signer %q does not chain to the expected root at %s: %v",
			signer.Subject.CommonName, now.UTC().Format(time.DateOnly), err)
	}
	if signer.IsCA {
		return nil, refused("chain", "the signer %q is a certificate authority", signer.Subject.CommonName)
	}
	if signer.KeyUsage != 0 && signer.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, refused("chain", "the certificate of %q is not for signatures", signer.Subject.CommonName)
	}
	// The pinned roots are public authorities: without this, whoever has a
	// certificate for any web site could sign metadata.
	if !slices.ContainsFunc(hosts, func(h string) bool { return signer.VerifyHostname(h) == nil }) {
		return nil, refused("host", "the certificate of %q is not for %s", signer.Subject.CommonName, strings.Join(hosts, " or "))
	}
	return slices.MinFunc(chains, func(a, b []*x509.Certificate) int { return len(a) - len(b) }), nil
}
