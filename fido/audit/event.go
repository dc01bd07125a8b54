package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Outcome says how an act ended.
type Outcome string

// The outcomes. An intent has none: nothing has happened yet.
const (
	OK     Outcome = "ok"     // it happened
	Denied Outcome = "denied" // a rule or a check refused it
	Failed Outcome = "failed" // something broke; the act did not happen
)

// Event is what a record says beside its place, time and links. It is an
// allow-list: what has no field here cannot reach the log, so neither can a
// secret that somebody put into a map. Of tokens, codes, invitations and
// credentials callers write identifiers or SHA-256 hashes, never the thing.
//
// Only Type is required. A text that is too long or is not UTF-8 is cut, and a
// hash of the whole is put behind it: whoever supplies a hostile value must not
// be able to keep the record of it from being written.
type Event struct {
	Type    string  // what happened: dot-separated lower-case words; [EventTypes] lists those of lakekey
	Outcome Outcome // empty in an intent
	Reason  string  // why, in words, when Outcome is not OK
	Purpose string  // what a ceremony was for

	User           string // the person, by the name Databricks knows
	SessionID      string
	ClientID       string
	CredentialHash string // SHA-256 of the credential ID
	AAGUID         string
	Attestation    string // the verdict, not the claim
	UserVerified   bool

	RemoteAddr string
	Origin     string
	Audience   string
	Host       string // the workspace a token is for
	Scope      string
	TokenID    string // jti
	TokenHash  string // of a token that has no jti
	ACR        string
	AMR        []string

	// Who did it and why, where that is not the person it was done to.
	Actor     string // the administrator, or the program; empty: the person
	Rationale string // why, in the words of whoever decided: an approval without one is an auditor's finding

	// More about the key.
	CredentialName string // as its owner calls it
	Format         string // of the attestation statement, such as "packed"
	SerialHash     string // keyed hash of an attested serial number, never the number
	SignCount      uint32 // as the key reported it; 0: it does not count
	BackupEligible bool   // the key may be copied to other devices …
	BackupState    bool   // … and was
	Metadata       string // which key metadata decided, such as "mds 132"

	// What a decision rested on.
	Rule          string // the rule that decided
	PolicyHash    string // SHA-256 of the policy in force, after a change the new one
	PolicyHashOld string // of the one before
	Group         string // of people

	// Where the request came from, beside RemoteAddr.
	RequestID  string
	UserAgent  string // the caller's own word
	InviteHash string // of the invitation that was issued, used or withdrawn
}

// textFields are the texts of an event in the order in which a record holds
// them. The order and the names are the file format: append, never rename.
var textFields = [...]struct {
	key string // as it stands in the record, up to the value
	max int    // bytes of the value, before JSON escapes
	of  func(*Event) *string
}{
	{`"outcome":`, 16, func(e *Event) *string { return (*string)(&e.Outcome) }},
	{`"reason":`, 512, func(e *Event) *string { return &e.Reason }},
	{`"purpose":`, 64, func(e *Event) *string { return &e.Purpose }},
	{`"user":`, 320, func(e *Event) *string { return &e.User }},
	{`"session_id":`, 128, func(e *Event) *string { return &e.SessionID }},
	{`"client_id":`, 256, func(e *Event) *string { return &e.ClientID }},
	{`"credential_hash":`, 128, func(e *Event) *string { return &e.CredentialHash }},
	{`"aaguid":`, 64, func(e *Event) *string { return &e.AAGUID }},
	{`"attestation":`, 64, func(e *Event) *string { return &e.Attestation }},
	{`"remote_addr":`, 128, func(e *Event) *string { return &e.RemoteAddr }},
	{`"origin":`, 256, func(e *Event) *string { return &e.Origin }},
	{`"audience":`, 512, func(e *Event) *string { return &e.Audience }},
	{`"host":`, 256, func(e *Event) *string { return &e.Host }},
	{`"scope":`, 1024, func(e *Event) *string { return &e.Scope }},
	{`"token_id":`, 128, func(e *Event) *string { return &e.TokenID }},
	{`"token_hash":`, 128, func(e *Event) *string { return &e.TokenHash }},
	{`"acr":`, 256, func(e *Event) *string { return &e.ACR }},
	{`"actor":`, 320, func(e *Event) *string { return &e.Actor }},
	{`"rationale":`, 1024, func(e *Event) *string { return &e.Rationale }},
	{`"credential_name":`, 128, func(e *Event) *string { return &e.CredentialName }},
	{`"format":`, 64, func(e *Event) *string { return &e.Format }},
	{`"serial_hash":`, 128, func(e *Event) *string { return &e.SerialHash }},
	{`"metadata":`, 64, func(e *Event) *string { return &e.Metadata }},
	{`"rule":`, 128, func(e *Event) *string { return &e.Rule }},
	{`"policy_hash":`, 128, func(e *Event) *string { return &e.PolicyHash }},
	{`"policy_hash_old":`, 128, func(e *Event) *string { return &e.PolicyHashOld }},
	{`"group":`, 256, func(e *Event) *string { return &e.Group }},
	{`"request_id":`, 128, func(e *Event) *string { return &e.RequestID }},
	{`"user_agent":`, 512, func(e *Event) *string { return &e.UserAgent }},
	{`"invite_hash":`, 128, func(e *Event) *string { return &e.InviteHash }},
}

const (
	typeKey     = `"type":`
	verifiedKey = `"user_verified":true`
	amrKey      = `"amr":`
	countKey    = `"sign_count":`
	eligibleKey = `"backup_eligible":true`
	backedUpKey = `"backup_state":true`
	maxType     = 64
	maxAMR      = 16 // values
	maxAMRValue = 64 // bytes each
)

// appendEvent appends e as the canonical JSON object that a record holds.
func appendEvent(dst []byte, e *Event) ([]byte, error) {
	if !validType(e.Type) {
		return nil, fmt.Errorf("audit: event type %q is not 1 to %d characters of a-z, 0-9, '.', '_' and '-'", e.Type, maxType)
	}
	if !validOutcome(string(e.Outcome)) {
		return nil, fmt.Errorf("audit: %q is no outcome", string(e.Outcome))
	}
	dst = append(dst, '{')
	dst = append(dst, typeKey...)
	dst = appendText(dst, e.Type)
	for i := range textFields {
		f := &textFields[i]
		if s := *f.of(e); s != "" {
			dst = append(dst, ',')
			dst = append(dst, f.key...)
			dst = appendText(dst, bounded(s, f.max))
		}
	}
	if e.UserVerified {
		dst = append(dst, ',')
		dst = append(dst, verifiedKey...)
	}
	if len(e.AMR) > maxAMR {
		return nil, fmt.Errorf("audit: event has %d authentication methods, more than %d", len(e.AMR), maxAMR)
	}
	for i, s := range e.AMR {
		if i == 0 {
			dst = append(dst, ',')
			dst = append(dst, amrKey...)
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		dst = appendText(dst, bounded(s, maxAMRValue))
	}
	if len(e.AMR) > 0 {
		dst = append(dst, ']')
	}
	if e.SignCount != 0 {
		dst = append(dst, ',')
		dst = append(dst, countKey...)
		dst = strconv.AppendUint(dst, uint64(e.SignCount), 10)
	}
	if e.BackupEligible {
		dst = append(dst, ',')
		dst = append(dst, eligibleKey...)
	}
	if e.BackupState {
		dst = append(dst, ',')
		dst = append(dst, backedUpKey...)
	}
	return append(dst, '}'), nil
}

func validType(s string) bool {
	return s != "" && len(s) <= maxType && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

func validOutcome(s string) bool {
	switch Outcome(s) {
	case "", OK, Denied, Failed:
		return true
	}
	return false
}

// bounded returns s, or, where s is too long or no UTF-8, its beginning and a
// hash of all of it, so that two different values stay different.
func bounded(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	tail := "…#" + hex.EncodeToString(sum[:8])
	room := limit - len(tail)
	if room < 0 {
		room = 0
	}
	// Cut before repairing: the repair must not cost more than the limit does.
	head := strings.ToValidUTF8(s[:min(len(s), limit)], "\uFFFD")
	for len(head) > room {
		_, n := utf8.DecodeLastRuneInString(head)
		head = head[:len(head)-n]
	}
	return head + tail
}
