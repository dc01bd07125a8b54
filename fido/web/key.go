package web

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// key is a credential as a page shows it.
type key struct {
	ID      string
	Name    string
	Kind    string // what it is, as far as the client told
	Model   string // only what is proven
	Proof   string // what the model rests on, or why none is named
	Claim   string // what it says about its model without a proof
	Badges  []badge
	State   fido.State
	Label   badge // of the state
	Why     string
	Added   time.Time
	Used    time.Time
	Revoked time.Time
	InUse   bool // for this very session

	Owner       string // on pages about other people's keys
	OwnerHandle string
	Own         bool // the visitor's
	ApprovedBy  string
	Rationale   string
}

// badge is a short remark in a colour. The words say it without the colour.
type badge struct{ Tone, Text string }

func describe(c *fido.Credential) key {
	k := key{
		ID: base64.RawURLEncoding.EncodeToString(c.ID), Name: orElse(c.Name, "A key without a name"), Kind: kind(c),
		State: c.State, Label: label(c.State), Why: c.StateReason,
		Added: c.Created, Used: c.LastUsed, Revoked: c.Revoked, ApprovedBy: c.ApprovedBy, Rationale: c.Rationale,
	}
	if c.State == fido.StateActive {
		k.Why = ""
	}
	k.prove(c.Evidence)
	k.Badges = append(k.Badges, copies(c))
	return k
}

// prove says what is known about the make of the key, and how.
func (k *key) prove(e keypolicy.Evidence) {
	switch e.Verdict {
	case keypolicy.Rooted:
		k.Model = orElse(e.Model, "A model that the metadata has no name for")
		k.Proof = "Proven by its maker's certificate"
		if e.Metadata > 0 {
			k.Proof += fmt.Sprintf(" and FIDO metadata no. %d", e.Metadata)
		}
		if e.Hardware {
			k.Badges = append(k.Badges, badge{"good", "Hardware"})
		}
		if e.FIPS {
			k.Badges = append(k.Badges, badge{"good", "FIPS 140"})
		}
		if e.Certification > keypolicy.Uncertified {
			k.Badges = append(k.Badges, badge{"good", "FIDO " + e.Certification.String()})
		}
		undesired := keypolicy.UndesiredStatus()
		for _, s := range e.Status {
			if slices.Contains(undesired, s) {
				k.Badges = append(k.Badges, badge{"bad", "Reported: " + strings.ToLower(strings.ReplaceAll(s, "_", " "))})
			}
		}
	case keypolicy.Self:
		k.Proof = "Model not proven: the key signed for itself only"
	default:
		k.Proof = "Model not proven: nothing about it could be checked"
	}
	if e.Verdict != keypolicy.Rooted && !e.AAGUID.IsZero() {
		k.Claim = e.AAGUID.String()
	}
}

// copies says whether the key can be copied; how sure that is depends on whether
// its word can be relied on.
func copies(c *fido.Credential) badge {
	switch {
	case c.BackupState:
		return badge{"plain", "Synced between devices"}
	case c.BackupEligible:
		return badge{"plain", "May be synced between devices"}
	case c.Evidence.Verdict == keypolicy.Rooted:
		return badge{"good", "Bound to one device"}
	default:
		return badge{"plain", "Not synced, by its own word"}
	}
}

func kind(c *fido.Credential) string {
	has := func(t string) bool { return slices.Contains(c.Transports, t) }
	switch {
	case has("usb") || has("nfc") || has("ble") || has("smart-card"):
		return "Security key"
	case has("internal") || has("hybrid"):
		return "Passkey on a phone or computer"
	default:
		return "Key"
	}
}

func label(s fido.State) badge {
	switch s {
	case fido.StateActive:
		return badge{"good", "Active"}
	case fido.StatePending:
		return badge{"warn", "Waits for approval"}
	case fido.StateQuarantined:
		return badge{"bad", "Held back"}
	default:
		return badge{"plain", "Revoked"}
	}
}
