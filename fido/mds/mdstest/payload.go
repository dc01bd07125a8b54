package mdstest

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/lakekey/lakekey/fido/mds"
)

// Payload is the content of a BLOB.
type Payload struct {
	Number     int
	NextUpdate time.Time // zero means 2199-12-31
	Entries    []Entry
	Extra      map[string]any // further members; they win
}

// Entry is one model. What is not set gets a value with which the entry is a
// hardware key of FIDO2.
type Entry struct {
	AAGUID         [16]byte
	KeyIdentifiers [][20]byte
	Description    string
	Roots          []*x509.Certificate
	Status         []mds.StatusReport
	Certifications map[string]int // of authenticatorGetInfo
	KeyProtection  []string       // nil means hardware and secure_element
	MultiDevice    string
	Statement      map[string]any // further members of the metadata statement; they win
	Extra          map[string]any // further members of the entry; they win
}

// MarshalJSON writes a MetadataBLOBPayload.
func (p Payload) MarshalJSON() ([]byte, error) {
	if p.NextUpdate.IsZero() {
		p.NextUpdate = time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	if p.Entries == nil {
		p.Entries = []Entry{}
	}
	m := map[string]any{
		"legalHeader": "Metadata for tests", "no": p.Number, "nextUpdate": p.NextUpdate.Format(time.DateOnly), "entries": p.Entries,
	}
	maps.Copy(m, p.Extra)
	return json.Marshal(m)
}

// MarshalJSON writes a MetadataBLOBPayloadEntry.
func (e Entry) MarshalJSON() ([]byte, error) {
	if e.Description == "" {
		e.Description = "Test key"
	}
	if e.KeyProtection == nil {
		e.KeyProtection = []string{"hardware", "secure_element"}
	}
	roots := X5C(e.Roots...)
	if roots == nil {
		roots = []string{}
	}
	statement := map[string]any{
		"legalHeader": "Metadata for tests", "description": e.Description, "authenticatorVersion": 1, "protocolFamily": "fido2", "schema": 3,
		"upv":                      []any{map[string]int{"major": 1, "minor": 0}},
		"authenticationAlgorithms": []string{"secp256r1_ecdsa_sha256_raw"}, "publicKeyAlgAndEncodings": []string{"cose"},
		"attestationTypes": []string{"basic_full"}, "keyProtection": e.KeyProtection, "matcherProtection": []string{"on_chip"},
		"userVerificationDetails": [][]map[string]string{{{"userVerificationMethod": "passcode_external"}}},
		"attachmentHint":          []string{"external", "wired"}, "tcDisplay": []string{}, "attestationRootCertificates": roots,
	}
	entry := map[string]any{"metadataStatement": statement, "timeOfLastStatusChange": "2024-01-01"}
	if e.AAGUID != [16]byte{} {
		a := e.AAGUID
		id := fmt.Sprintf("%x-%x-%x-%x-%x", a[:4], a[4:6], a[6:8], a[8:10], a[10:])
		info := map[string]any{"versions": []string{"FIDO_2_0"}, "aaguid": hex.EncodeToString(a[:])}
		if e.Certifications != nil {
			info["certifications"] = e.Certifications
		}
		statement["aaguid"], statement["authenticatorGetInfo"], entry["aaguid"] = id, info, id
	}
	if e.KeyIdentifiers != nil {
		ids := make([]string, len(e.KeyIdentifiers))
		for i, id := range e.KeyIdentifiers {
			ids[i] = hex.EncodeToString(id[:])
		}
		statement["attestationCertificateKeyIdentifiers"], entry["attestationCertificateKeyIdentifiers"] = ids, ids
		statement["protocolFamily"] = "u2f"
	}
	if e.MultiDevice != "" {
		statement["multiDeviceCredentialSupport"] = e.MultiDevice
	}
	reports := make([]map[string]any, len(e.Status))
	for i, r := range e.Status {
		reports[i] = report(r)
	}
	entry["statusReports"] = reports
	maps.Copy(statement, e.Statement)
	maps.Copy(entry, e.Extra)
	return json.Marshal(entry)
}

func report(r mds.StatusReport) map[string]any {
	m := map[string]any{"status": r.Status}
	for name, date := range map[string]time.Time{"effectiveDate": r.EffectiveDate, "sunsetDate": r.SunsetDate} {
		if !date.IsZero() {
			m[name] = date.Format(time.DateOnly)
		}
	}
	for name, text := range map[string]string{"certificateNumber": r.CertificateNumber, "certificationDescriptor": r.Descriptor, "url": r.URL} {
		if text != "" {
			m[name] = text
		}
	}
	if r.AuthenticatorVersion != 0 {
		m["authenticatorVersion"] = r.AuthenticatorVersion
	}
	if r.BatchCertificate != nil {
		m["batchCertificate"] = base64.StdEncoding.EncodeToString(r.BatchCertificate.Raw)
	}
	return m
}
