package mds

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// statementJSON is the part of a MetadataStatement that is used here.
// https://fidoalliance.org/specs/mds/fido-metadata-statement-v3.0-ps-20210518.html#metadata-keys
type statementJSON struct {
	AAGUID            string   `json:"aaguid"`
	Description       string   `json:"description"`
	Icon              string   `json:"icon"`
	Version           int64    `json:"authenticatorVersion"`
	ProtocolFamily    string   `json:"protocolFamily"`
	AttestationTypes  []string `json:"attestationTypes"`
	KeyProtection     []string `json:"keyProtection"`
	MatcherProtection []string `json:"matcherProtection"`
	AttachmentHint    []string `json:"attachmentHint"`
	Algorithms        []string `json:"authenticationAlgorithms"`
	CryptoStrength    int64    `json:"cryptoStrength"`
	MultiDevice       string   `json:"multiDeviceCredentialSupport"`
	Roots             []string `json:"attestationRootCertificates"`
	UserVerification  [][]struct {
		Method string `json:"userVerificationMethod"`
	} `json:"userVerificationDetails"`
	Info json.RawMessage `json:"authenticatorGetInfo"`
}

type infoJSON struct {
	AAGUID         string                     `json:"aaguid"`
	Certifications map[string]json.RawMessage `json:"certifications"`
	Formats        []string                   `json:"attestationFormats"`
	Transports     []string                   `json:"transports"`
	Versions       []string                   `json:"versions"`
	Options        map[string]json.RawMessage `json:"options"`
	Firmware       int64                      `json:"firmwareVersion"`
}

// statement fills in what the statement says, or leaves the entry as it is.
func (r *reader) statement(e *Entry, i int, name string, text []byte) error {
	var raw statementJSON
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	if raw.AAGUID != "" {
		if a, ok := parseAAGUID(raw.AAGUID); !ok || a != e.AAGUID {
			return fmt.Errorf("it is about the model %.40q", raw.AAGUID)
		}
	}
	e.Description, e.Icon, e.Version, e.ProtocolFamily = raw.Description, raw.Icon, int(raw.Version), raw.ProtocolFamily
	e.AttestationTypes, e.KeyProtection, e.MatcherProtection = raw.AttestationTypes, raw.KeyProtection, raw.MatcherProtection
	e.AttachmentHint, e.Algorithms, e.CryptoStrength, e.MultiDevice = raw.AttachmentHint, raw.Algorithms, int(raw.CryptoStrength), raw.MultiDevice
	for _, and := range raw.UserVerification {
		methods := make([]string, len(and))
		for n, m := range and {
			methods[n] = m.Method
		}
		e.UserVerificationMethods = append(e.UserVerificationMethods, methods)
	}
	for n, text := range raw.Roots {
		c, err := r.certificate(text)
		if err != nil {
			// Some have serial numbers that RFC 5280 forbids and Go refuses.
			r.blob.problem(i, name, "attestation root %d cannot be read: %v", n, err)
			continue
		}
		sum := sha256.Sum256(c.Raw)
		e.Roots, e.names = append(e.Roots, c), append(e.names, hex.EncodeToString(sum[:]))
	}
	if len(raw.Info) == 0 {
		return nil
	}
	// What a key says of itself is of no use if it is broken, but the rest is.
	if err := e.info(raw.Info); err != nil {
		r.blob.problem(i, name, "authenticatorGetInfo is not used: %v", err)
	}
	return nil
}

func (e *Entry) info(text []byte) error {
	var raw infoJSON
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	if a, ok := parseAAGUID(raw.AAGUID); raw.AAGUID != "" && (!ok || a != e.AAGUID) {
		return fmt.Errorf("it is about the model %.40q", raw.AAGUID)
	}
	// Keys may list anything, and some entries have texts where numbers or truth
	// values belong. Such a one says nothing; the others stand.
	e.Certifications, e.Options = readable[int](raw.Certifications), readable[bool](raw.Options)
	e.Formats, e.Transports, e.Versions, e.Firmware = raw.Formats, raw.Transports, raw.Versions, int(raw.Firmware)
	return nil
}

func readable[T any](raw map[string]json.RawMessage) map[string]T {
	var out map[string]T
	for name, text := range raw {
		var v T
		if string(text) != "null" && json.Unmarshal(text, &v) == nil {
			if out == nil {
				out = make(map[string]T, len(raw))
			}
			out[name] = v
		}
	}
	return out
}

// report reads a status report. What it returns with an error is to be used if
// it has a status: a warning with a wrong date is still a warning.
func (r *reader) report(text []byte) (StatusReport, error) {
	var raw struct {
		Status            Status `json:"status"`
		EffectiveDate     string `json:"effectiveDate"`
		SunsetDate        string `json:"sunsetDate"`
		Version           int64  `json:"authenticatorVersion"`
		CertificateNumber string `json:"certificateNumber"`
		Descriptor        string `json:"certificationDescriptor"`
		URL               string `json:"url"`
		Certificate       string `json:"certificate"`
		Batch             string `json:"batchCertificate"`
	}
	err := json.Unmarshal(text, &raw)
	if raw.Status == "" {
		return StatusReport{}, errors.Join(errors.New("it has no status"), err)
	}
	report := StatusReport{
		Status: raw.Status, AuthenticatorVersion: int(raw.Version), CertificateNumber: raw.CertificateNumber,
		Descriptor: raw.Descriptor, URL: raw.URL,
	}
	if raw.EffectiveDate != "" {
		var wrong error
		report.EffectiveDate, wrong = parseDate(raw.EffectiveDate)
		err = errors.Join(err, wrong)
	}
	if raw.SunsetDate != "" {
		var wrong error
		report.SunsetDate, wrong = parseDate(raw.SunsetDate)
		err = errors.Join(err, wrong)
	}
	// Version 3.0 has one member for a certificate "related to the current status",
	// 3.1 a second one for a batch.
	for _, text := range []string{raw.Certificate, raw.Batch} {
		if text == "" {
			continue
		}
		c, wrong := r.certificate(text)
		if wrong != nil {
			report.batchUnreadable = true
			err = errors.Join(err, wrong)
			continue
		}
		report.BatchCertificate = c
	}
	if err != nil && !report.Status.Compromising() && report.Status != NotCertified && report.Status != Retired {
		return StatusReport{}, err // what cannot be read grants nothing
	}
	return report, err
}

func biometric(text []byte) (BiometricReport, error) {
	var raw struct {
		Level             int64  `json:"certLevel"`
		Modality          string `json:"modality"`
		EffectiveDate     string `json:"effectiveDate"`
		CertificateNumber string `json:"certificateNumber"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return BiometricReport{}, err
	}
	report := BiometricReport{Level: int(raw.Level), Modality: raw.Modality, CertificateNumber: raw.CertificateNumber}
	var err error
	if raw.EffectiveDate != "" {
		report.EffectiveDate, err = parseDate(raw.EffectiveDate)
	}
	return report, err
}
