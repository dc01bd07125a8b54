package export

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/fido/audit"
)

// The names of attributes are those of https://schema.ocsf.io/1.8.0/. The order of
// the fields is for people.
type ocsfEvent struct {
	Time         int64  `json:"time"` // milliseconds
	ClassUID     int    `json:"class_uid"`
	ClassName    string `json:"class_name"`
	CategoryUID  int    `json:"category_uid"`
	CategoryName string `json:"category_name"`
	ActivityID   int    `json:"activity_id"`
	ActivityName string `json:"activity_name"`
	TypeUID      int    `json:"type_uid"`
	SeverityID   int    `json:"severity_id"`
	Severity     string `json:"severity"`
	StatusID     int    `json:"status_id"`
	Status       string `json:"status"`
	StatusCode   string `json:"status_code,omitempty"`
	StatusDetail string `json:"status_detail,omitempty"`
	Message      string `json:"message,omitempty"`

	User           *ocsfUser     `json:"user,omitempty"`
	Actor          *ocsfActor    `json:"actor,omitempty"`
	Session        *ocsfSession  `json:"session,omitempty"`
	Source         *ocsfEndpoint `json:"src_endpoint,omitempty"`
	Destination    *ocsfEndpoint `json:"dst_endpoint,omitempty"`
	Request        *ocsfRequest  `json:"http_request,omitempty"`
	Service        *ocsfNamed    `json:"service,omitempty"`
	AuthProtocolID int           `json:"auth_protocol_id,omitempty"`
	AuthProtocol   string        `json:"auth_protocol,omitempty"`
	AuthFactors    []ocsfFactor  `json:"auth_factors,omitempty"`
	IsMFA          *bool         `json:"is_mfa,omitempty"`
	Policies       []ocsfNamed   `json:"policies,omitempty"`
	Privileges     *[]string     `json:"privileges,omitempty"`

	Metadata ocsfMetadata   `json:"metadata"`
	Unmapped map[string]any `json:"unmapped,omitempty"`
}

type ocsfNamed struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}

type ocsfUser struct {
	Name   string      `json:"name"`
	TypeID int         `json:"type_id"`
	Groups []ocsfNamed `json:"groups,omitempty"`
}

type ocsfActor struct {
	User    *ocsfUser `json:"user,omitempty"`
	AppName string    `json:"app_name,omitempty"`
}

type ocsfSession struct {
	UID           string `json:"uid,omitempty"`
	CredentialUID string `json:"credential_uid,omitempty"`
	IsMFA         bool   `json:"is_mfa,omitempty"`
}

type ocsfEndpoint struct {
	IP       string `json:"ip,omitempty"`
	Hostname string `json:"hostname,omitempty"`
}

type ocsfRequest struct {
	UID       string `json:"uid,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

type ocsfFactor struct {
	TypeID int    `json:"factor_type_id"`
	Type   string `json:"factor_type"`
}

type ocsfMetadata struct {
	Version        string      `json:"version"`
	Product        ocsfProduct `json:"product"`
	UID            string      `json:"uid"`
	CorrelationUID string      `json:"correlation_uid"`
	Sequence       uint64      `json:"sequence"`
	EventCode      string      `json:"event_code"`
	LogName        string      `json:"log_name,omitempty"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

const (
	classBase           = 0
	classAccountChange  = 3001
	classAuthentication = 3002
	classAuthorize      = 3003

	activityOther = 99
)

var classNames = map[int]string{
	classBase: "Base Event", classAccountChange: "Account Change",
	classAuthentication: "Authentication", classAuthorize: "Authorize Session",
}

var activityNames = map[int]map[int]string{
	classAccountChange:  {1: "Create", 2: "Enable", 5: "Disable", 6: "Delete", 10: "MFA Factor Enable", 11: "MFA Factor Disable"},
	classAuthentication: {1: "Logon", 2: "Logoff", 6: "Preauth"},
	classAuthorize:      {1: "Assign Privileges"},
}

// ocsf returns r as an OCSF event.
func (w *Writer) ocsf(r *audit.Record) *ocsfEvent {
	e := &r.Event
	typ, known := audit.TypeOf(e.Type)
	if !known {
		typ = audit.EventType{Activity: activityOther}
	}
	out := &ocsfEvent{
		Time: r.Time.UnixMilli(), ClassUID: typ.Class, ClassName: classNames[typ.Class],
		CategoryName: "Uncategorized", ActivityID: typ.Activity, Message: typ.Means,
		Metadata: ocsfMetadata{
			Version: "1.8.0", Product: ocsfProduct{Name: "lakekey", VendorName: "lakekey"},
			UID: r.ID, CorrelationUID: r.ID, Sequence: r.Number, EventCode: e.Type, LogName: w.logName,
		},
	}
	if r.Intent != "" {
		out.Metadata.CorrelationUID = r.Intent
	}
	// To register a key is no logon, whoever else's event it is.
	if typ.Class == classAuthentication && e.Purpose == "registration" {
		out.ActivityID = activityOther
	}
	if out.ActivityName = activityNames[typ.Class][out.ActivityID]; out.ActivityName == "" {
		out.ActivityName = e.Type
	}
	if typ.Class != classBase {
		out.CategoryUID, out.CategoryName = 3, "Identity & Access Management"
	}
	out.TypeUID = out.ClassUID*100 + out.ActivityID
	out.status(r)

	rest := map[string]any{"phase": r.Phase}
	for name, v := range e.Fields() {
		rest[name] = v
	}
	delete(rest, "type")
	delete(rest, "outcome")
	delete(rest, "reason")
	if typ.Class != classBase {
		out.person(e, rest)
	}
	switch typ.Class {
	case classAuthentication:
		out.authentication(e, rest)
	case classAccountChange:
		out.accountChange(e, rest)
	case classAuthorize:
		out.authorize(e, rest)
	}
	out.Unmapped = rest
	return out
}

func (out *ocsfEvent) status(r *audit.Record) {
	out.StatusDetail, out.StatusCode = r.Event.Reason, string(r.Event.Outcome)
	out.SeverityID, out.Severity = 1, "Informational"
	switch {
	case r.Phase == audit.PhaseIntent: // nothing has happened yet; the result does count
		out.StatusID, out.Status = 99, "Intent"
	case r.Event.Outcome == audit.OK:
		out.StatusID, out.Status = 1, "Success"
	case r.Event.Outcome == "":
		out.StatusID, out.Status = 0, "Unknown"
	default:
		out.StatusID, out.Status = 2, "Failure"
		out.SeverityID, out.Severity = 2, "Low"
	}
	switch r.Event.Type {
	case "clone.suspected", "credential.quarantined", "credential.counter", "audit.lost", "audit.recovered":
		out.SeverityID, out.Severity = 4, "High"
	case "credential.reported-lost", "policy.refused", "mds.stale", "audit.offhost-failed", "recovery.used":
		out.SeverityID, out.Severity = 3, "Medium"
	}
}

// person fills in what the classes about people have in common.
func (out *ocsfEvent) person(e *audit.Event, rest map[string]any) {
	out.User = user(e.User)
	if e.Group != "" {
		out.User.Groups = []ocsfNamed{{Name: e.Group}}
		delete(rest, "group")
	}
	delete(rest, "user")
	out.Actor = &ocsfActor{User: user(e.User)}
	if e.Actor != "" {
		out.Actor.User = user(e.Actor)
		delete(rest, "actor")
	}
	if ip, ok := address(e.RemoteAddr); ok {
		out.Source = &ocsfEndpoint{IP: ip}
		delete(rest, "remote_addr")
	}
	if e.RequestID != "" || e.UserAgent != "" {
		out.Request = &ocsfRequest{UID: e.RequestID, UserAgent: e.UserAgent}
		delete(rest, "request_id")
		delete(rest, "user_agent")
	}
}

func user(name string) *ocsfUser {
	if name == "" {
		return &ocsfUser{Name: "unknown"}
	}
	return &ocsfUser{Name: name, TypeID: 1}
}

// address returns the IP address in what may have a port behind it.
func address(s string) (string, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("").String(), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone("").String(), true
	}
	return "", false
}

func (out *ocsfEvent) session(e *audit.Event, rest map[string]any) {
	if e.SessionID == "" && e.CredentialHash == "" {
		return
	}
	out.Session = &ocsfSession{UID: e.SessionID, CredentialUID: e.CredentialHash, IsMFA: e.UserVerified}
	delete(rest, "session_id")
	delete(rest, "credential_hash")
}

func (out *ocsfEvent) authentication(e *audit.Event, rest map[string]any) {
	out.session(e, rest)
	out.Service = &ocsfNamed{Name: e.Origin, UID: e.ClientID}
	if e.Origin == "" {
		out.Service.Name = "lakekey"
	}
	delete(rest, "origin")
	delete(rest, "client_id")
	if e.Type != "session.end" {
		out.AuthProtocolID, out.AuthProtocol = 99, "WebAuthn"
		out.AuthFactors = []ocsfFactor{{10, "WebAuthn"}}
	}
	if e.UserVerified {
		out.IsMFA = &e.UserVerified
		delete(rest, "user_verified")
	}
}

func (out *ocsfEvent) accountChange(e *audit.Event, rest map[string]any) {
	if slices.Contains([]int{10, 11}, out.ActivityID) {
		out.AuthFactors = []ocsfFactor{{10, "WebAuthn"}}
		if strings.HasPrefix(e.Type, "recovery.") {
			out.AuthFactors = []ocsfFactor{{99, "Recovery Code"}}
		}
	}
	if e.PolicyHash != "" || e.Rule != "" {
		out.Policies = []ocsfNamed{{Name: e.Rule, UID: e.PolicyHash}}
		delete(rest, "rule")
		delete(rest, "policy_hash")
	}
}

var hostname = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

func (out *ocsfEvent) authorize(e *audit.Event, rest map[string]any) {
	out.session(e, rest)
	privileges := strings.Fields(e.Scope)
	if privileges == nil {
		privileges = []string{}
	}
	out.Privileges = &privileges
	delete(rest, "scope")
	if host := strings.TrimPrefix(e.Host, "https://"); hostname.MatchString(host) {
		out.Destination = &ocsfEndpoint{Hostname: host}
		delete(rest, "host")
	}
}
