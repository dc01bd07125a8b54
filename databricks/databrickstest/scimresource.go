package databrickstest

import (
	"cmp"
	"slices"
)

// The SCIM schema of each resource type: RFC 7643 section 10.3. The one for
// service principals is Databricks' own.
var schemas = map[string][]string{
	kindUser:             {"urn:ietf:params:scim:schemas:core:2.0:User"},
	kindServicePrincipal: {"urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"},
	kindGroup:            {"urn:ietf:params:scim:schemas:core:2.0:Group"},
}

// scimValue is an element of a multi-valued SCIM attribute.
type scimValue struct {
	Value   string `json:"value,omitempty"`
	Display string `json:"display,omitempty"`
	Type    string `json:"type,omitempty"`
	Primary bool   `json:"primary,omitempty"`
	Ref     string `json:"$ref,omitempty"`
}

type scimName struct {
	GivenName  string `json:"givenName,omitempty"`
	FamilyName string `json:"familyName,omitempty"`
}

// scimResource is a user, service principal or group on the wire.
type scimResource struct {
	Schemas       []string    `json:"schemas,omitempty"`
	ID            string      `json:"id,omitempty"`
	AccountID     string      `json:"account_id,omitempty"`
	UserName      string      `json:"userName,omitempty"`
	ApplicationID string      `json:"applicationId,omitempty"`
	DisplayName   string      `json:"displayName,omitempty"`
	ExternalID    string      `json:"externalId,omitempty"`
	Name          *scimName   `json:"name,omitempty"`
	Active        *bool       `json:"active,omitempty"`
	Emails        []scimValue `json:"emails,omitempty"`
	Roles         []scimValue `json:"roles,omitempty"`
	Members       []scimValue `json:"members,omitempty"`
	Groups        []scimValue `json:"groups,omitempty"`
}

// into writes what a client may set into r. With a nil Active, which is what
// SDKs send for false unless forced, r keeps its own.
func (s scimResource) into(r *resource) {
	r.displayName, r.externalID = s.DisplayName, s.ExternalID
	if s.Active != nil {
		r.active = *s.Active
	}
	r.roles = values(s.Roles)
	switch r.kind {
	case kindUser:
		if s.Name != nil {
			r.givenName, r.familyName = s.Name.GivenName, s.Name.FamilyName
		}
	case kindGroup:
		r.members = values(s.Members)
	}
}

func values(list []scimValue) []string {
	var out []string
	for _, v := range list {
		if v.Value != "" && !slices.Contains(out, v.Value) {
			out = append(out, v.Value)
		}
	}
	return out
}

// scim returns r as the account's SCIM API shows it.
func (d *directory) scim(r *resource, accountID string) scimResource {
	s := scimResource{
		Schemas: schemas[r.kind], ID: r.id, AccountID: accountID,
		UserName: r.userName, ApplicationID: r.applicationID,
		DisplayName: r.displayName, ExternalID: r.externalID,
	}
	for _, role := range r.roles {
		s.Roles = append(s.Roles, scimValue{Value: role, Type: "direct"})
	}
	if r.kind == kindGroup {
		for _, m := range r.members {
			member := d.byID[m]
			s.Members = append(s.Members, scimValue{
				Value: m, Display: cmp.Or(member.displayName, member.name()), Ref: member.kind + "/" + m,
			})
		}
		return s
	}
	active := r.active
	s.Active = &active
	if r.kind == kindUser {
		s.DisplayName = cmp.Or(r.displayName, r.userName)
		s.Name = &scimName{GivenName: r.givenName, FamilyName: r.familyName}
		s.Emails = []scimValue{{Value: r.userName, Type: "work", Primary: true}}
	}
	return s
}

// me returns a user or service principal as the workspace shows it to itself. A
// service principal's user name is its application id.
func (d *directory) me(r *resource) scimResource {
	s := d.scim(r, "")
	s.UserName = r.name()
	s.Schemas = []string{schemas[kindUser][0], "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"}
	s.Roles = nil
	for _, g := range d.groupsOf(r.id) {
		s.Groups = append(s.Groups, scimValue{Value: g.id, Display: g.displayName, Type: "direct", Ref: kindGroup + "/" + g.id})
	}
	return s
}
