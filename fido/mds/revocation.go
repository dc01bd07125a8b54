package mds

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	maxCRL       = 16 << 20
	maxCRLPoints = 4 // that are tried per certificate
)

// checkRevocation asks for every certificate of the chain, but the root, whether
// its issuer has revoked it.
//
// "All certificates in the chain MUST be checked for revocation according to
// RFC 5280", "The FIDO Server SHOULD ignore the file if the chain cannot be
// verified or if one of the chain certificates is revoked."
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#metadata-blob-object-processing-rules
func checkRevocation(ctx context.Context, client *http.Client, chain []*x509.Certificate, now time.Time) error {
	for i, c := range chain[:len(chain)-1] {
		if err := checkRevoked(ctx, client, c, chain[i+1], now); err != nil {
			return err
		}
	}
	return nil
}

func checkRevoked(ctx context.Context, client *http.Client, c, issuer *x509.Certificate, now time.Time) error {
	name := c.Subject.CommonName
	reason := fmt.Errorf("mds: the certificate of %q names no revocation list", name)
	for _, point := range c.CRLDistributionPoints[:min(len(c.CRLDistributionPoints), maxCRLPoints)] {
		u, err := url.Parse(point)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			continue // LDAP
		}
		// The list is signed; that it comes over http, as nearly all do, is no harm.
		der, _, err := get(ctx, client, u, "", maxCRL)
		if ctx.Err() != nil {
			return err
		}
		if err == nil {
			var revoked bool
			if revoked, err = listed(der, c, issuer, point, now); revoked {
				return refused("revocation", "the certificate of %q, serial number %x, was revoked by %q", name, c.SerialNumber, issuer.Subject.CommonName)
			}
			if err == nil {
				return nil
			}
		}
		reason = err
	}
	return refused("revocation", "nobody says whether the certificate of %q was revoked: %v; allow the address, or set SourceConfig.InsecureSkipRevocation", name, reason)
}

// listed reports whether the list has the certificate in it. An error says that
// the list is not one to go by.
// https://www.rfc-editor.org/rfc/rfc5280.html#section-6.3.3
func listed(der []byte, c, issuer *x509.Certificate, point string, now time.Time) (bool, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return false, fmt.Errorf("mds: the revocation list at %s cannot be read: %v", point, err)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return false, fmt.Errorf("mds: the revocation list at %s is not from %q: %v", point, issuer.Subject.CommonName, err)
	}
	if now.Before(list.ThisUpdate.Add(-5*time.Minute)) || now.After(list.NextUpdate) { // which RFC 5280 demands; zero is long ago
		return false, fmt.Errorf("mds: the revocation list at %s is valid from %s to %s, and so not now", point,
			list.ThisUpdate.Format(time.DateOnly), list.NextUpdate.Format(time.DateOnly))
	}
	for _, e := range list.Extensions {
		if e.Id.Equal(oidIssuingDistributionPoint) {
			if err := covers(e.Value, c); err != nil {
				return false, fmt.Errorf("mds: the revocation list at %s: %v", point, err)
			}
		} else if e.Critical {
			// "If a CRL contains a critical extension that the application cannot
			// process, then the application MUST NOT use that CRL to determine the
			// status of certificates." §5.2
			return false, fmt.Errorf("mds: the revocation list at %s has an unknown critical extension %v", point, e.Id)
		}
	}
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(c.SerialNumber) == 0 {
			return true, nil
		}
	}
	return false, nil
}

var oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}

// covers reports why a list that says what it is about is not about c.
// https://www.rfc-editor.org/rfc/rfc5280.html#section-5.2.5
func covers(idp []byte, c *x509.Certificate) error {
	var scope struct {
		Point      asn1.RawValue  `asn1:"optional,tag:0"`
		OnlyUser   bool           `asn1:"optional,tag:1"`
		OnlyCA     bool           `asn1:"optional,tag:2"`
		Reasons    asn1.BitString `asn1:"optional,tag:3"`
		Indirect   bool           `asn1:"optional,tag:4"`
		Attributes bool           `asn1:"optional,tag:5"`
	}
	if rest, err := asn1.Unmarshal(idp, &scope); err != nil || len(rest) != 0 {
		return fmt.Errorf("what it is about cannot be read")
	}
	if scope.OnlyUser && c.IsCA || scope.OnlyCA && !c.IsCA || scope.Attributes || scope.Indirect || scope.Reasons.BitLength != 0 {
		return fmt.Errorf("it is not about certificates such as %q", c.Subject.CommonName)
	}
	return nil
}
