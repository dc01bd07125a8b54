package databrickstest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// The three SCIM resource types, as their paths spell them.
const (
	kindUser             = "Users"
	kindServicePrincipal = "ServicePrincipals"
	kindGroup            = "Groups"
)

// principal is whom a token stands for. The id, which is never used again, is
// what counts; name is the user name or application id of that time.
type principal struct {
	kind, id, name string
}

// resource is one user, service principal or group of the account.
type resource struct {
	kind, id      string
	userName      string // users: an e-mail address
	applicationID string // service principals: a UUID
	displayName   string
	externalID    string
	givenName     string
	familyName    string
	active        bool
	roles         []string
	members       []string // groups: ids
}

// name is how a token names the resource.
func (r *resource) name() string {
	if r.kind == kindServicePrincipal {
		return r.applicationID
	}
	return r.userName
}

func (r *resource) clone() *resource {
	c := *r
	c.roles, c.members = slices.Clone(r.roles), slices.Clone(r.members)
	return &c
}

// directory holds the account's resources. The Workspace's lock guards it.
type directory struct {
	last  int64
	byID  map[string]*resource
	order []string
}

func newDirectory() directory {
	return directory{last: 7_000_000_000_000_000, byID: map[string]*resource{}}
}

// conflictError says that a unique attribute is taken.
type conflictError struct{ what string }

func (e *conflictError) Error() string { return e.what + " is taken" }

// add validates and stores r under a new id.
func (d *directory) add(r *resource) error {
	if r.kind == kindServicePrincipal && r.applicationID == "" {
		r.applicationID = uuid.NewString()
	}
	if err := d.check(r); err != nil {
		return err
	}
	d.last++
	r.id = strconv.FormatInt(d.last, 10)
	d.byID[r.id] = r
	d.order = append(d.order, r.id)
	return nil
}

// replace validates and stores r in the place of what has its id.
func (d *directory) replace(r *resource) error {
	if err := d.check(r); err != nil {
		return err
	}
	d.byID[r.id] = r
	return nil
}

func (d *directory) check(r *resource) error {
	switch r.kind {
	case kindUser:
		local, domain, ok := strings.Cut(r.userName, "@")
		if !ok || local == "" || domain == "" || strings.ContainsAny(r.userName, " \t\r\n") {
			return fmt.Errorf("userName %.80q is not an e-mail address", r.userName)
		}
	case kindServicePrincipal:
		if !uuidText.MatchString(r.applicationID) {
			return fmt.Errorf("applicationId %.80q is not a UUID in lower case", r.applicationID)
		}
	case kindGroup:
		if r.displayName == "" {
			return fmt.Errorf("a group needs a displayName")
		}
		for _, m := range r.members {
			if d.byID[m] == nil {
				return fmt.Errorf("member %.40q does not exist", m)
			}
			if m == r.id {
				return fmt.Errorf("a group cannot be its own member")
			}
		}
	}
	for _, other := range d.byID {
		if other.kind != r.kind || other.id == r.id {
			continue
		}
		switch {
		// RFC 7643 section 4.1.1: userName is unique and not case-exact.
		case r.kind == kindUser && strings.EqualFold(other.userName, r.userName):
			return &conflictError{"userName " + r.userName}
		case r.kind == kindServicePrincipal && other.applicationID == r.applicationID:
			return &conflictError{"applicationId " + r.applicationID}
		case r.kind == kindGroup && other.displayName == r.displayName:
			return &conflictError{"displayName " + r.displayName}
		}
	}
	return nil
}

// remove deletes a resource and its memberships.
func (d *directory) remove(id string) {
	delete(d.byID, id)
	is := func(other string) bool { return other == id }
	d.order = slices.DeleteFunc(d.order, is)
	for _, r := range d.byID {
		r.members = slices.DeleteFunc(r.members, is)
	}
}

// find returns the resource of that kind and id, or nil.
func (d *directory) find(kind, id string) *resource {
	if r := d.byID[id]; r != nil && r.kind == kind {
		return r
	}
	return nil
}

// named returns the user with that user name or the service principal with that
// application id, or nil. The comparison is exact: OpenID Connect Core section 2
// calls sub "a case-sensitive string".
func (d *directory) named(name string) *resource {
	for _, r := range d.byID {
		if r.kind != kindGroup && r.name() == name {
			return r
		}
	}
	return nil
}

// active reports whether the principal exists and is not deactivated.
func (d *directory) active(p principal) bool {
	r := d.find(p.kind, p.id)
	return r != nil && r.active
}

// groupsOf returns the groups that id is a direct member of, in order of creation.
func (d *directory) groupsOf(id string) []*resource {
	var groups []*resource
	for _, other := range d.order {
		if g := d.byID[other]; g.kind == kindGroup && slices.Contains(g.members, id) {
			groups = append(groups, g)
		}
	}
	return groups
}

// reaches reports whether match holds for id or for a group it is in, directly
// or through other groups.
func (d *directory) reaches(id string, match func(id string) bool) bool {
	seen := map[string]bool{}
	for queue := []string{id}; len(queue) > 0; queue = queue[1:] {
		if seen[queue[0]] {
			continue
		}
		seen[queue[0]] = true
		if match(queue[0]) {
			return true
		}
		for _, g := range d.groupsOf(queue[0]) {
			queue = append(queue, g.id)
		}
	}
	return false
}
