package databrickstest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/lakekey/lakekey/internal/secret"
)

// bearer reads the one bearer token of a request. RFC 6750 section 2: "Clients
// MUST NOT use more than one method to transmit the token in each request";
// only the header is known here.
func bearer(a *answer, r *http.Request) (secret.Value, bool) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		a.unauthorized(`Bearer realm="databricks"`, "Credential was not sent: send Authorization: Bearer TOKEN")
		return secret.Value{}, false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		a.unauthorized(`Bearer realm="databricks"`, "Credential is of an unsupported type: send one Authorization: Bearer TOKEN")
		return secret.Value{}, false
	}
	return secret.New(token), true
}

// admin lets only the admin token call an account API.
func (w *Workspace) admin(next func(*answer, *http.Request)) func(*answer, *http.Request) {
	return func(a *answer, r *http.Request) {
		token, ok := bearer(a, r)
		if !ok {
			return
		}
		if token.Equal(w.adminToken) {
			a.principal = "admin"
		} else {
			// No minted token is an account admin's here, whatever its scopes.
			g, ok := w.grant(a, token)
			if !ok {
				return
			}
			a.principal = g.principal.name
			a.apiError(http.StatusForbidden, codePermissionDenied, "only an account admin can do this: use the admin token")
			return
		}
		if r.PathValue("account") != w.accountID {
			a.apiError(http.StatusNotFound, codeNotFound, "there is no account with this id here")
			return
		}
		next(a, r)
	}
}

// grant finds what a bearer token stands for, refusing it if it is unknown,
// expired, or its principal is gone or deactivated.
func (w *Workspace) grant(a *answer, token secret.Value) (grant, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	const invalid = `Bearer realm="databricks", error="invalid_token"`
	g, ok := w.grants[hashToken(token.Reveal())]
	if !ok {
		a.unauthorized(invalid, "Invalid access token.")
		return grant{}, false
	}
	a.principal = g.principal.name
	if !w.now().Before(g.expires) {
		a.unauthorized(invalid, "Access token expired: exchange a new one.")
		return grant{}, false
	}
	if !w.directory.active(g.principal) {
		a.unauthorized(invalid, "The user or service principal of this token is deactivated or deleted.")
		return grant{}, false
	}
	return g, true
}

// workspaceAPI lets a minted token of the named scope call a workspace API. An
// empty scope stands for MeScim, which the documentation lists under every scope:
// https://docs.databricks.com/api/workspace/scopes
func (w *Workspace) workspaceAPI(scope string, next func(*answer, *http.Request, grant)) func(*answer, *http.Request) {
	return func(a *answer, r *http.Request) {
		token, ok := bearer(a, r)
		if !ok {
			return
		}
		if token.Equal(w.adminToken) {
			a.principal = "admin"
			a.apiError(http.StatusForbidden, codePermissionDenied, "the admin token is for account APIs: mint a token at /oidc/v1/token")
			return
		}
		g, ok := w.grant(a, token)
		if !ok {
			return
		}
		if id := r.Header.Get("X-Databricks-Workspace-Id"); id != "" && id != strconv.FormatInt(w.workspaceID, 10) {
			a.apiError(http.StatusNotFound, codeNotFound, "there is no workspace "+id+" here")
			return
		}
		if !w.mayUseWorkspace(g.principal) {
			a.apiError(http.StatusForbidden, codePermissionDenied, g.principal.name+" is not assigned to this workspace")
			return
		}
		if scope != "" && !g.scopes.allows(scope, r.Method) {
			a.Header().Set("WWW-Authenticate", `Bearer realm="databricks", error="insufficient_scope", scope="`+scope+`"`)
			a.apiError(http.StatusForbidden, codePermissionDenied, "Provided OAuth token does not have required scopes: "+scope)
			return
		}
		a.Header().Set("X-Databricks-Org-Id", strconv.FormatInt(w.workspaceID, 10))
		next(a, r, g)
	}
}
