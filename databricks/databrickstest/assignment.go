package databrickstest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
)

// mayUseWorkspace reports whether the principal may use the workspace.
func (w *Workspace) mayUseWorkspace(p principal) bool {
	if !w.requireAssignment {
		return true
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.assigned(p)
}

// assigned reports whether the principal, or a group it is in, has an
// assignment. The caller holds the lock.
func (w *Workspace) assigned(p principal) bool {
	return w.directory.reaches(p.id, func(id string) bool { return len(w.assignments[id]) > 0 })
}

type permissionAssignment struct {
	Permissions []string            `json:"permissions"`
	Principal   assignmentPrincipal `json:"principal"`
}

type assignmentPrincipal struct {
	PrincipalID          int64  `json:"principal_id"`
	DisplayName          string `json:"display_name,omitempty"`
	UserName             string `json:"user_name,omitempty"`
	ServicePrincipalName string `json:"service_principal_name,omitempty"`
	GroupName            string `json:"group_name,omitempty"`
}

func (w *Workspace) isWorkspace(a *answer, r *http.Request) bool {
	if r.PathValue("workspace") == strconv.FormatInt(w.workspaceID, 10) {
		return true
	}
	a.apiError(http.StatusNotFound, codeNotFound, "there is no workspace with this id here")
	return false
}

func (w *Workspace) listAssignments(a *answer, r *http.Request) {
	if !w.isWorkspace(a, r) {
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	list := []permissionAssignment{}
	for _, id := range w.directory.order {
		if permissions := w.assignments[id]; len(permissions) > 0 {
			list = append(list, assignmentOf(w.directory.byID[id], permissions))
		}
	}
	a.json(http.StatusOK, map[string]any{"permission_assignments": list})
}

func assignmentOf(r *resource, permissions []string) permissionAssignment {
	id, _ := strconv.ParseInt(r.id, 10, 64) // ids are numbers that directory.add made
	p := assignmentPrincipal{PrincipalID: id, DisplayName: cmp.Or(r.displayName, r.name())}
	switch r.kind {
	case kindUser:
		p.UserName = r.userName
	case kindServicePrincipal:
		p.ServicePrincipalName = r.applicationID
	case kindGroup:
		p.GroupName = r.displayName
	}
	return permissionAssignment{Permissions: permissions, Principal: p}
}

// assign is PUT. The API reference: "Valid values are "USER" and "ADMIN"
// (case-sensitive). If both […] are provided, "ADMIN" takes precedence. Other
// values will be ignored. […] providing an empty list […] will result in the
// deletion of all permissions for the principal."
func (w *Workspace) assign(a *answer, r *http.Request) {
	if !w.isWorkspace(a, r) {
		return
	}
	var body struct {
		Permissions []string `json:"permissions"`
	}
	if !a.readJSON(r, &body) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.directory.byID[r.PathValue("principal")]
	if found == nil {
		a.apiError(http.StatusNotFound, codeNotFound, "there is no user, service principal or group with this id")
		return
	}
	permissions := []string{}
	switch {
	case slices.Contains(body.Permissions, "ADMIN"):
		permissions = append(permissions, "ADMIN")
	case slices.Contains(body.Permissions, "USER"):
		permissions = append(permissions, "USER")
	}
	if len(permissions) == 0 {
		delete(w.assignments, found.id)
	} else {
		w.assignments[found.id] = permissions
	}
	a.json(http.StatusOK, assignmentOf(found, permissions))
}

func (w *Workspace) unassign(a *answer, r *http.Request) {
	if !w.isWorkspace(a, r) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.assignments[r.PathValue("principal")]) == 0 {
		a.apiError(http.StatusNotFound, codeNotFound, "this principal has no assignment in this workspace")
		return
	}
	delete(w.assignments, r.PathValue("principal"))
	a.json(http.StatusOK, map[string]any{})
}
