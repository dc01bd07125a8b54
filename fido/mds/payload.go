package mds

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// maxEntries is far more than there are models; each takes work to read.
const maxEntries = 20_000

// readPayload reads a MetadataBLOBPayload. Members that are not known are passed
// over, as the standard adds some with every version; a known member that stands
// there twice has two meanings, and the blob none.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#metadata-blob-payload-dictionary
func readPayload(payload []byte) (*Blob, error) {
	b := &Blob{Number: -1, aaguid: map[[16]byte]*Entry{}, key: map[[20]byte]*Entry{}}
	r := reader{blob: b, certificates: map[string]*x509.Certificate{}}
	d := json.NewDecoder(bytes.NewReader(payload))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, refused("payload", "it is not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, refused("payload", "%v", err)
		}
		name, _ := t.(string)
		if seen[name] {
			return nil, refused("payload", "member %.40q stands there twice", name)
		}
		seen[name] = true
		if name == "entries" {
			err = r.entries(d)
		} else {
			err = r.member(d, name)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, refused("payload", "%v", err)
	}
	if len(bytes.TrimSpace(payload[d.InputOffset():])) != 0 {
		return nil, refused("payload", "something follows it")
	}
	switch {
	case b.Number < 0:
		return nil, refused("payload", "it has no number (no)")
	case b.NextUpdate.IsZero():
		return nil, refused("payload", "it does not say when the next one is due (nextUpdate)")
	case !seen["entries"]:
		return nil, refused("payload", "it has no entries")
	}
	return b, nil
}

type reader struct {
	blob         *Blob
	certificates map[string]*x509.Certificate // many models share a root
}

func (r *reader) member(d *json.Decoder, name string) error {
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return refused("payload", "%v", err)
	}
	switch name {
	case "no":
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil || n < 0 {
			return refused("payload", "no is not a number of a blob")
		}
		r.blob.Number = int(n)
	case "nextUpdate":
		text, err := strictjson.Text(value)
		if err == nil {
			r.blob.NextUpdate, err = parseDate(text)
		}
		if err != nil {
			return refused("payload", "nextUpdate is not a date")
		}
	case "legalHeader":
		text, err := strictjson.Text(value)
		if err != nil {
			return refused("payload", "legalHeader is not a text")
		}
		r.blob.LegalHeader = text
	}
	return nil
}

func (r *reader) entries(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return refused("payload", "entries is not a list")
	}
	for i := 0; d.More(); i++ {
		if i == maxEntries {
			return refused("payload", "it has more than %d entries", maxEntries)
		}
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return refused("payload", "entry %d: %v", i, err)
		}
		if e := r.entry(i, text); e != nil {
			r.blob.entries = append(r.blob.entries, e)
			r.blob.index(i, e)
		}
	}
	if _, err := d.Token(); err != nil {
		return refused("payload", "%v", err)
	}
	return nil
}

// entryJSON is a MetadataBLOBPayloadEntry.
type entryJSON struct {
	AAID           string            `json:"aaid"`
	AAGUID         string            `json:"aaguid"`
	KeyIdentifiers []string          `json:"attestationCertificateKeyIdentifiers"`
	Statement      json.RawMessage   `json:"metadataStatement"`
	Biometric      []json.RawMessage `json:"biometricStatusReports"`
	Status         []json.RawMessage `json:"statusReports"`
	Changed        string            `json:"timeOfLastStatusChange"`
}

// entry reads one entry, or reports why it cannot be used. An entry whose
// statement is broken keeps its status reports: it has no roots, so it proves
// nothing, but what is known against the model stays known.
func (r *reader) entry(i int, text []byte) *Entry {
	var raw entryJSON
	err := strictjson.Check(text)
	if err == nil {
		err = json.Unmarshal(text, &raw)
	}
	if err != nil {
		r.blob.problem(i, "?", "it cannot be read: %v", err)
		return nil
	}
	e := &Entry{AAID: raw.AAID}
	name := raw.AAID
	if raw.AAGUID != "" {
		name = raw.AAGUID
		var ok bool
		if e.AAGUID, ok = parseAAGUID(raw.AAGUID); !ok || e.AAGUID == [16]byte{} {
			r.blob.problem(i, name, "the AAGUID names no model")
			return nil
		}
	}
	for _, id := range raw.KeyIdentifiers {
		name = id
		b, err := hex.DecodeString(id)
		if err != nil || len(b) != 20 {
			r.blob.problem(i, id, "the key identifier is not a SHA-1 in hexadecimal")
			continue
		}
		e.KeyIdentifiers = append(e.KeyIdentifiers, [20]byte(b))
	}
	if e.AAID == "" && e.AAGUID == [16]byte{} && len(e.KeyIdentifiers) == 0 {
		r.blob.problem(i, name, "it names no model")
		return nil
	}
	e.TimeOfStatusChange, _ = parseDate(raw.Changed)
	for n, text := range raw.Status {
		report, err := r.report(text)
		if err != nil {
			r.blob.problem(i, name, "status report %d: %v", n, err)
		}
		if report.Status != "" {
			e.Status = append(e.Status, report)
		}
	}
	for n, text := range raw.Biometric {
		report, err := biometric(text)
		if err != nil {
			r.blob.problem(i, name, "biometric status report %d: %v", n, err)
			continue
		}
		e.BiometricComponents = append(e.BiometricComponents, report)
	}
	if len(raw.Statement) == 0 {
		return e // the standard allows it
	}
	if err := r.statement(e, i, name, raw.Statement); err != nil {
		r.blob.problem(i, name, "the metadata statement is not used: %v", err)
	}
	return e
}

// certificate reads base64 (not base64url) of a DER certificate. Some entries
// have line breaks in it.
func (r *reader) certificate(text string) (*x509.Certificate, error) {
	if c, ok := r.certificates[text]; ok {
		return c, nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err == nil {
		r.certificates[text] = c
	}
	return c, err
}

// parseDate reads an ISO 8601 date, with or without a time of day.
func parseDate(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

func parseAAGUID(text string) (a [16]byte, ok bool) {
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		text = strings.ReplaceAll(text, "-", "")
	}
	n, err := hex.Decode(a[:], []byte(text[:min(len(text), 32)]))
	return a, err == nil && n == 16 && len(text) == 32
}
