package audit

import (
	"cmp"
	"slices"
)

// EventType is an entry in the catalogue of events.
type EventType struct {
	Name  string // as [Event.Type] holds it
	Means string // in words

	// Class and Activity are what the event is in the Open Cybersecurity Schema
	// Framework: 3001 Account Change, 3002 Authentication, 3003 Authorize Session.
	// Those are about a person; what is not is a base event, class 0. Activity 99
	// is one that the class has no number for.
	Class, Activity int

	// Delivery is what [Log.Append] gives the event unless [Options] say otherwise.
	Delivery Delivery
}

// Classes of the Open Cybersecurity Schema Framework, https://schema.ocsf.io/1.8.0/.
const (
	classAccountChange    = 3001
	classAuthentication   = 3002
	classAuthorizeSession = 3003
)

// eventTypes is the catalogue. Names are part of the file format and are never
// given another meaning; they are grouped by what they are about.
var eventTypes = []EventType{
	// A ceremony that was begun has granted nothing yet, and strangers can begin as
	// many as the rate limit lets them: it is the one that need not wait for a disk.
	{"ceremony.begun", "a challenge was issued, to register a key or to sign in", classAuthentication, 6, BestEffort},
	{"ceremony.finished", "a key answered its challenge and the answer was accepted", classAuthentication, 1, Enforced},
	{"ceremony.failed", "a ceremony was refused, or something broke", classAuthentication, 1, Enforced},

	{"credential.registered", "a key was registered to a person", classAccountChange, 10, Enforced},
	{"credential.renamed", "a person gave a key another name", classAccountChange, 99, Enforced},
	{"credential.pending", "a key was registered and waits for an approval", classAccountChange, 99, Enforced},
	{"credential.approved", "somebody with authority approved a key", classAccountChange, 10, Enforced},
	{"credential.denied", "somebody with authority refused a key", classAccountChange, 99, Enforced},
	{"credential.revocation-requested", "somebody asked for a key to be revoked", classAccountChange, 99, Enforced},
	{"credential.revoked", "a key was taken out of use for good", classAccountChange, 11, Enforced},
	{"credential.quarantined", "a key was taken out of use until somebody has looked into it", classAccountChange, 11, Enforced},
	{"credential.released", "a key was taken out of quarantine", classAccountChange, 10, Enforced},
	{"credential.reported-lost", "a key was reported lost, which took it out of use for good", classAccountChange, 11, Enforced},
	{"credential.counter", "a key's signature counter went back, and policy let it pass", classAccountChange, 99, Enforced},
	{"clone.suspected", "a key's signature counter says that there may be a copy of it", classAccountChange, 99, Enforced},

	{"user.created", "a person became known", classAccountChange, 1, Enforced},
	{"user.blocked", "a person was kept from signing in", classAccountChange, 5, Enforced},
	{"user.unblocked", "a person may sign in again", classAccountChange, 2, Enforced},
	{"user.group-changed", "a person joined or left a group", classAccountChange, 99, Enforced},

	{"invite.issued", "somebody may register a key through a link, once", classAccountChange, 99, Enforced},
	{"invite.used", "an enrolment link was used", classAccountChange, 99, Enforced},
	{"invite.withdrawn", "an enrolment link was made invalid before its use", classAccountChange, 99, Enforced},
	{"recovery.issued", "a person was given recovery codes, and older ones became invalid", classAccountChange, 10, Enforced},
	{"recovery.withdrawn", "the recovery codes of a person were made invalid before their use", classAccountChange, 11, Enforced},
	{"recovery.used", "a recovery code was used up, to register a key", classAccountChange, 99, Enforced},
	{"recovery.failed", "something that is no recovery code was presented as one", classAccountChange, 99, Enforced},

	{"policy.changed", "another key policy came into force", 0, 99, Enforced},
	{"policy.refused", "the key policy refused a key or a sign-in", classAuthentication, 1, Enforced},
	{"metadata.reevaluated", "a registered key was judged again by newer metadata", classAccountChange, 99, Enforced},
	{"mds.updated", "newer metadata about key models came into force", 0, 99, Enforced},
	{"mds.stale", "the metadata about key models is older than its issuer allows", 0, 99, Enforced},
	{"mds.failed", "metadata about key models was refused, or could not be had", 0, 99, Enforced},

	{"authorize", "a verified proof was not enough for what was asked", classAuthorizeSession, 1, Enforced},
	{"device.decide", "a person decided whether a device may sign in as them", classAuthorizeSession, 1, Enforced},
	{"token.issue", "a session began: its first tokens were issued", classAuthorizeSession, 1, Enforced},
	{"token.refresh", "further tokens of a session were issued", classAuthorizeSession, 1, Enforced},
	{"token.exchange", "an agent got a token to act for a person", classAuthorizeSession, 1, Enforced},
	{"session.end", "a session was ended before its time", classAuthentication, 2, Enforced},
	{"session.tell", "a program was told that a session of its person is over, or could not be", classAuthentication, 2, Enforced},
	{"issuer.key.add", "the issuer has another signing key", 0, 99, Enforced},
	{"issuer.key.revoke", "a signing key of the issuer was revoked", 0, 99, Enforced},
	{"certificate.expiring", "a certificate of an identity provider will expire soon, or has expired", 0, 99, Enforced},
	{"databricks.exchange", "an ID token was exchanged for one of a workspace", classAuthorizeSession, 1, Enforced},

	{typeRecovered, "an unfinished write was set aside after a crash", 0, 99, Enforced},
	{typeLost, "records of best-effort delivery were lost", 0, 99, Enforced},
	{typeOffHostFailed, "checkpoints do not reach the place off this host", 0, 99, Enforced},
	{typeOffHostRestored, "checkpoints reach the place off this host again", 0, 99, Enforced},
}

// The types of what a log says about itself.
const (
	typeRecovered       = "audit.recovered"
	typeLost            = "audit.lost"
	typeOffHostFailed   = "audit.offhost-failed"
	typeOffHostRestored = "audit.offhost-restored"
)

// EventTypes returns the catalogue: every type of event that lakekey records,
// sorted by name. A log takes other types too, those of a program that embeds it.
func EventTypes() []EventType {
	return slices.SortedFunc(slices.Values(eventTypes), func(a, b EventType) int { return cmp.Compare(a.Name, b.Name) })
}

// TypeOf returns what the catalogue says of a type.
func TypeOf(name string) (EventType, bool) {
	t, ok := catalogue[name]
	return t, ok
}

var catalogue = func() map[string]EventType {
	m := make(map[string]EventType, len(eventTypes))
	for _, t := range eventTypes {
		m[t.Name] = t
	}
	return m
}()
