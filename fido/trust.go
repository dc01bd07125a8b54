package fido

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"time"

	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
)

// Metadata knows key models. [mds.Source] does. It answers at once, from what it
// has, and with an error if that is too old to be relied on.
type Metadata interface {
	Current(ctx context.Context) (*mds.Blob, error)
}

// Root is a certificate to which attestations may chain.
type Root struct {
	Certificate *x509.Certificate
	Hardware    bool // its keys cannot be copied out of the authenticator

	// Models are those that the root vouches for; a key that says it is another
	// one is not rooted by it. Empty means any that the authenticators themselves
	// state, in the formats packed and fido-u2f; the owner of the root is trusted
	// then not to name the models of others. In the other formats it is a program
	// that states the model, so that without Models it stays unknown.
	Models []keypolicy.AAGUID
}

// fingerprint is by what records name a root.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// pinnedRoot is a configured root with the name that records know it by.
type pinnedRoot struct {
	Root
	fingerprint string
}

func pin(roots []Root) []pinnedRoot {
	pinned := make([]pinnedRoot, len(roots))
	for i, r := range roots {
		pinned[i] = pinnedRoot{r, fingerprint(r.Certificate)}
	}
	return pinned
}

// trust is what attestations are held against at one moment.
type trust struct {
	pinned []pinnedRoot
	blob   *mds.Blob // nil: none
	lacks  string    // why there is no blob where one is configured
	now    time.Time
}

// trust asks for nothing over a network: a sign-in does not wait for it.
func (p *RelyingParty) trust(ctx context.Context, now time.Time) trust {
	t := trust{pinned: p.pinned, now: now}
	if p.cfg.Metadata == nil {
		return t
	}
	blob, err := p.cfg.Metadata.Current(ctx)
	if err != nil {
		t.lacks = err.Error()
		return t
	}
	t.blob = blob
	return t
}

// chainsTo returns those of the roots to which the statement's chain leads.
//
// "Otherwise, use the X.509 certificates returned as the attestation trust path
// from the verification procedure to verify that the attestation public key
// either correctly chains up to an acceptable root certificate, or is itself an
// acceptable certificate."
//
// Only roots that we hold go into the pool of roots. A self-signed certificate
// that a key sent along is not even an intermediate: otherwise a key could bring
// the authority that vouches for it (GHSA-6hxq-p678-4hr2).
func (s *statement) chainsTo(roots []*x509.Certificate, at time.Time) []*x509.Certificate {
	if len(s.chain) == 0 || len(roots) == 0 {
		return nil
	}
	trusted, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range roots {
		trusted.AddCert(r)
	}
	for _, c := range s.chain[1:] {
		if c.CheckSignatureFrom(c) != nil {
			intermediates.AddCert(c)
		}
	}
	chains, err := s.readable().Verify(x509.VerifyOptions{
		Roots: trusted, Intermediates: intermediates, CurrentTime: at,
		// An attestation certificate is not a TLS server's.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil
	}
	var reached []*x509.Certificate
	for _, chain := range chains {
		for _, r := range roots {
			if chain[len(chain)-1].Equal(r) && !slices.Contains(reached, r) {
				reached = append(reached, r)
			}
		}
	}
	return reached
}

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// readable returns an attestation certificate in the way in which crypto/x509
// accepts it. The subject alternative name of a TPM's is critical and names the
// chip, which x509 does not know; the verification of the statement has read it.
// https://www.w3.org/TR/webauthn-3/#sctn-tpm-cert-requirements
//
// Yubico made certificates in 2014 whose signature, a string of bits, claims that
// some of its last bits do not count. They do. How a signature is written is not
// signed: read either way, it has to be the authority's.
func (s *statement) readable() *x509.Certificate {
	c := *s.chain[0]
	if s.format == formatTPM {
		c.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), oidSubjectAltName.Equal)
	}
	var whole struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(c.Raw, &whole); err == nil && len(rest) == 0 {
		c.Signature = whole.Signature.Bytes
	}
	return &c
}

// keyIdentifiers are what metadata may know a U2F model by, which has no AAGUID:
// the keys of the attestation certificates, in hex. The authority above them is
// named in them, and does not come along.
func (s *statement) keyIdentifiers() [][]byte {
	var all [][]byte
	for _, c := range s.chain {
		var info struct {
			Algorithm asn1.RawValue
			Key       asn1.BitString
		}
		if rest, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &info); err == nil && len(rest) == 0 {
			sum := sha1.Sum(info.Key.RightAlign()) // a name, not a signature: the chain is verified
			all = append(all, sum[:])
		}
	}
	if n := len(s.chain); n > 0 && len(s.chain[n-1].AuthorityKeyId) > 0 {
		all = append(all, s.chain[n-1].AuthorityKeyId)
	}
	return all
}

// entry finds the statement's model in the metadata, and the key identifier by
// which it was found if it was by one.
func (t *trust) entry(s *statement) (*mds.Entry, []byte) {
	if t.blob == nil {
		return nil, nil
	}
	if !s.aaguid.IsZero() {
		if e, ok := t.blob.Entry(s.aaguid); ok {
			return e, nil
		}
	}
	if s.format != formatU2F {
		return nil, nil
	}
	for _, id := range s.keyIdentifiers() {
		if e, ok := t.blob.EntryByKeyIdentifier(id); ok {
			return e, id
		}
	}
	return nil, nil
}
