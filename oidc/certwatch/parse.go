package certwatch

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxCertificates bounds what one document makes us do.
const maxCertificates = 1000

// Certificate is a certificate that a document holds.
type Certificate struct {
	Source   string // the Name of its Source
	Subject  string
	SHA256   string // of the certificate, in hex
	NotAfter time.Time
}

// DaysLeft is how many whole days are left at now; negative once it has expired.
func (c Certificate) DaysLeft(now time.Time) int {
	left := c.NotAfter.Sub(now)
	days := int(left / (24 * time.Hour))
	if left%(24*time.Hour) < 0 {
		days--
	}
	return days
}

// parseJWKS reads the first certificate of each x5c of a key set: "The PKIX
// certificate containing the key value MUST be the first certificate" (RFC 7517 §4.7).
// https://www.rfc-editor.org/rfc/rfc7517#section-4.7
func parseJWKS(document []byte) ([]Certificate, error) {
	var set struct {
		Keys []struct {
			X5C []string `json:"x5c"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil || set.Keys == nil {
		return nil, errors.New("not a JWK Set")
	}
	var texts []string
	for _, k := range set.Keys {
		if len(k.X5C) > 0 {
			texts = append(texts, k.X5C[0])
		}
	}
	return parseAll(texts)
}

const signatures = "http://www.w3.org/2000/09/xmldsig#"

// parseSAML reads each certificate that is named for a key in SAML metadata (SAML
// Metadata 2.0 §2.4.1.1). Entities are not expanded: the decoder knows no others than
// those of XML.
func parseSAML(document []byte) ([]Certificate, error) {
	d := xml.NewDecoder(bytes.NewReader(document))
	var texts []string
	inKey, elements := 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errors.New("not an XML document")
		}
		switch e := token.(type) {
		case xml.StartElement:
			elements++
			switch {
			case e.Name.Local == "KeyDescriptor":
				inKey++
			case inKey > 0 && e.Name.Space == signatures && e.Name.Local == "X509Certificate":
				var text string
				if err := d.DecodeElement(&text, &e); err != nil {
					return nil, errors.New("not an XML document")
				}
				texts = append(texts, text)
			}
		case xml.EndElement:
			if e.Name.Local == "KeyDescriptor" {
				inKey--
			}
		}
	}
	if elements == 0 {
		return nil, errors.New("not an XML document")
	}
	return parseAll(texts)
}

// parseAll reads certificates in base64, each of them once.
func parseAll(texts []string) (all []Certificate, _ error) {
	if len(texts) > maxCertificates {
		return nil, fmt.Errorf("more than %d certificates", maxCertificates)
	}
	seen := map[string]bool{}
	for n, text := range texts {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, fmt.Errorf("the %d. certificate is not base64", n+1)
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("the %d. certificate cannot be read", n+1)
		}
		sum := sha256.Sum256(der)
		id := hex.EncodeToString(sum[:])
		if !seen[id] {
			all = append(all, Certificate{Subject: parsed.Subject.String(), SHA256: id, NotAfter: parsed.NotAfter})
		}
		seen[id] = true
	}
	return all, nil
}
