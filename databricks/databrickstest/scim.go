package databrickstest

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// scimError answers in the shape of RFC 7644 section 3.12, which the SDKs know
// beside the shape of the other APIs.
func (a *answer) scimError(status int, scimType, detail string) {
	a.errorCode = "SCIM_" + strconv.Itoa(status)
	body := map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"},
		"status":  strconv.Itoa(status), "detail": detail,
	}
	if scimType != "" {
		body["scimType"] = scimType
	}
	a.json(status, body)
}

// scimFailure answers a validation error.
func (a *answer) scimFailure(err error) {
	var conflict *conflictError
	if errors.As(err, &conflict) {
		a.scimError(http.StatusConflict, "uniqueness", err.Error())
		return
	}
	a.scimError(http.StatusBadRequest, "invalidValue", err.Error())
}

// kindOf reads the resource type of a SCIM path, or answers 404.
func kindOf(a *answer, r *http.Request) (string, bool) {
	kind := r.PathValue("type")
	if _, ok := schemas[kind]; !ok {
		noEndpoint(a, r)
		return "", false
	}
	return kind, true
}

func (w *Workspace) createResource(a *answer, r *http.Request) {
	kind, ok := kindOf(a, r)
	if !ok {
		return
	}
	var body scimResource
	if !a.readJSON(r, &body) {
		return
	}
	created := &resource{kind: kind, active: true}
	switch kind {
	case kindUser:
		created.userName = body.UserName
	case kindServicePrincipal:
		created.applicationID = body.ApplicationID
	}
	body.into(created)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.directory.add(created); err != nil {
		a.scimFailure(err)
		return
	}
	a.json(http.StatusCreated, w.directory.scim(created, w.accountID))
}

// withResource runs f on the resource that the path names, under the lock.
func (w *Workspace) withResource(a *answer, r *http.Request, f func(*resource)) {
	kind, ok := kindOf(a, r)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.directory.find(kind, r.PathValue("id"))
	if found == nil {
		a.scimError(http.StatusNotFound, "", kind+" has no resource with this id")
		return
	}
	f(found)
}

func (w *Workspace) readResource(a *answer, r *http.Request) {
	w.withResource(a, r, func(found *resource) {
		a.json(http.StatusOK, w.directory.scim(found, w.accountID))
	})
}

// replaceResource is PUT. "This attribute cannot be updated through the SCIM
// PATCH or PUT APIs; any supplied change is ignored", says the API reference of
// userName and emails; application ids are held to the same.
func (w *Workspace) replaceResource(a *answer, r *http.Request) {
	var body scimResource
	if !a.readJSON(r, &body) {
		return
	}
	w.withResource(a, r, func(found *resource) {
		next := found.clone()
		body.into(next)
		if err := w.directory.replace(next); err != nil {
			a.scimFailure(err)
			return
		}
		a.json(http.StatusOK, w.directory.scim(next, w.accountID))
	})
}

func (w *Workspace) patchResource(a *answer, r *http.Request) {
	var body struct {
		Schemas    []string         `json:"schemas"`
		Operations []patchOperation `json:"Operations"`
	}
	if !a.readJSON(r, &body) {
		return
	}
	w.withResource(a, r, func(found *resource) {
		next := found.clone()
		for _, op := range body.Operations {
			if err := op.apply(next); err != nil {
				a.scimError(http.StatusBadRequest, "invalidPath", err.Error())
				return
			}
		}
		if err := w.directory.replace(next); err != nil {
			a.scimFailure(err)
			return
		}
		a.status = http.StatusNoContent
		a.ResponseWriter.WriteHeader(http.StatusNoContent)
	})
}

func (w *Workspace) deleteResource(a *answer, r *http.Request) {
	w.withResource(a, r, func(found *resource) {
		w.directory.remove(found.id)
		w.policies.removeOwner(found.id)
		delete(w.assignments, found.id)
		a.WriteHeader(http.StatusNoContent)
	})
}

// maxPage is the default and the most results of one list request:
// "Desired number of results per page. Default is 10000."
const maxPage = 10_000

func (w *Workspace) listResources(a *answer, r *http.Request) {
	kind, ok := kindOf(a, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	match, err := parseFilter(query.Get("filter"))
	if err != nil {
		a.scimError(http.StatusBadRequest, "invalidFilter", err.Error())
		return
	}
	start, okStart := positive(query.Get("startIndex"), 1)
	count, okCount := positive(query.Get("count"), maxPage)
	if !okStart || !okCount {
		a.scimError(http.StatusBadRequest, "invalidValue", "startIndex and count must be whole numbers")
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	page := []scimResource{}
	total := 0
	for _, id := range w.directory.order {
		found := w.directory.byID[id]
		if found.kind != kind || !match(found) {
			continue
		}
		if total++; total >= start && len(page) < min(count, maxPage) {
			shown := w.directory.scim(found, w.accountID)
			// "this endpoint will no longer return members": they are in the details.
			shown.Members = nil
			page = append(page, shown)
		}
	}
	a.json(http.StatusOK, map[string]any{
		"schemas":      []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"},
		"totalResults": total, "startIndex": start, "itemsPerPage": len(page), "Resources": page,
	})
}

func positive(s string, unset int) (int, bool) {
	if s == "" {
		return unset, true
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil
}

// filterText is the one form of filter known here: RFC 7644 section 3.4.2.2 has
// many more, and asking for one of those is an error rather than a full list.
var filterText = regexp.MustCompile(`^([A-Za-z]+) (?i:eq) ("(?:[^"\\]|\\.)*")$`)

func parseFilter(s string) (func(*resource) bool, error) {
	if s == "" {
		return func(*resource) bool { return true }, nil
	}
	parts := filterText.FindStringSubmatch(s)
	if parts == nil {
		return nil, errors.New(`only filters like userName eq "ada@example.com" are known here`)
	}
	var want string
	if err := json.Unmarshal([]byte(parts[2]), &want); err != nil {
		return nil, errors.New("the filter's value is not a JSON string")
	}
	// RFC 7643 section 2.1: attribute names are case-insensitive.
	switch strings.ToLower(parts[1]) {
	case "id":
		return func(r *resource) bool { return r.id == want }, nil
	case "username":
		return func(r *resource) bool { return strings.EqualFold(r.userName, want) }, nil
	case "displayname":
		return func(r *resource) bool { return strings.EqualFold(r.displayName, want) }, nil
	case "applicationid":
		return func(r *resource) bool { return r.applicationID == want }, nil
	case "externalid":
		return func(r *resource) bool { return r.externalID == want }, nil
	}
	return nil, errors.New("the filter's attribute must be id, userName, displayName, applicationId or externalId")
}
