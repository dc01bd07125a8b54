package databrickstest

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// patchOperation is one operation of RFC 7644 section 3.5.2.
type patchOperation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

var errPatch = errors.New("known are add, remove and replace of active, displayName, externalId, roles and members")

// elementPath is members[value eq "42"], the way to name one element.
var elementPath = regexp.MustCompile(`^([A-Za-z]+)\[value eq ("(?:[^"\\]|\\.)*")\]$`)

// apply changes r, which the caller throws away if there is an error.
func (o patchOperation) apply(r *resource) error {
	// RFC 7644 section 3.5.2: op is "add", "remove" or "replace"; some clients
	// write it with a capital.
	op := strings.ToLower(o.Op)
	if o.Path == "" && op != "remove" {
		// "If omitted, the target location is assumed to be the resource itself."
		var members map[string]json.RawMessage
		if json.Unmarshal(o.Value, &members) != nil {
			return errPatch
		}
		for name, value := range members {
			if err := (patchOperation{op, name, value}).apply(r); err != nil {
				return err
			}
		}
		return nil
	}
	if element := elementPath.FindStringSubmatch(o.Path); element != nil {
		var id string
		if op != "remove" || json.Unmarshal([]byte(element[2]), &id) != nil {
			return errPatch
		}
		list := r.list(element[1])
		if list == nil {
			return errPatch
		}
		*list = slices.DeleteFunc(*list, func(s string) bool { return s == id })
		return nil
	}
	if list := r.list(o.Path); list != nil {
		return o.applyToList(op, list)
	}
	switch {
	case op != "add" && op != "replace":
		return errPatch
	case strings.EqualFold(o.Path, "active") && r.kind != kindGroup:
		return decodeInto(o.Value, &r.active)
	case strings.EqualFold(o.Path, "displayName"):
		return decodeInto(o.Value, &r.displayName)
	case strings.EqualFold(o.Path, "externalId"):
		return decodeInto(o.Value, &r.externalID)
	}
	return errPatch
}

// list returns the list attribute of that name, or nil.
func (r *resource) list(name string) *[]string {
	switch {
	case strings.EqualFold(name, "roles"):
		return &r.roles
	case strings.EqualFold(name, "members") && r.kind == kindGroup:
		return &r.members
	}
	return nil
}

func (o patchOperation) applyToList(op string, list *[]string) error {
	var sent []scimValue
	if op == "remove" {
		*list = nil
		return nil
	}
	if err := decodeInto(o.Value, &sent); err != nil {
		return err
	}
	switch op {
	case "replace":
		*list = values(sent)
	case "add":
		for _, v := range values(sent) {
			if !slices.Contains(*list, v) {
				*list = append(*list, v)
			}
		}
	default:
		return errPatch
	}
	return nil
}

func decodeInto(value json.RawMessage, v any) error {
	if json.Unmarshal(value, v) != nil {
		return errPatch
	}
	return nil
}
