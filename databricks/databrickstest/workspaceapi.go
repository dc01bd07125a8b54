package databrickstest

import "net/http"

// me answers who the token belongs to.
func (w *Workspace) me(a *answer, _ *http.Request, g grant) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	found := w.directory.find(g.principal.kind, g.principal.id)
	if found == nil { // deleted since the token was looked at
		a.apiError(http.StatusNotFound, codeNotFound, "the user or service principal of this token is deleted")
		return
	}
	a.json(http.StatusOK, w.directory.me(found))
}

// emptyList answers {} with an empty list: a new workspace has no objects.
func emptyList(member string) func(*answer, *http.Request, grant) {
	return func(a *answer, _ *http.Request, _ grant) {
		a.json(http.StatusOK, map[string]any{member: []any{}})
	}
}

// emptyPage is emptyList for the APIs that say whether more follows.
func emptyPage(member string) func(*answer, *http.Request, grant) {
	return func(a *answer, _ *http.Request, _ grant) {
		a.json(http.StatusOK, map[string]any{member: []any{}, "has_more": false})
	}
}
