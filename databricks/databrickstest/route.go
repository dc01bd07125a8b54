package databrickstest

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// endpoint is one path with the methods it takes.
type endpoint map[string]func(*answer, *http.Request)

// routes lists every path the handler knows. A method of nobody's gets 405 with
// Allow, a path of nobody's 404, both in JSON.
func (w *Workspace) routes() *http.ServeMux {
	const account = "/api/2.0/accounts/{account}"
	const policies, principalPolicies = account + "/federationPolicies", account + "/servicePrincipals/{sp}/federationPolicies"
	const assignments = account + "/workspaces/{workspace}/permissionassignments"
	get, post, put, patch, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	mux := http.NewServeMux()
	for pattern, e := range map[string]endpoint{
		"/.well-known/databricks-config":                                  {get: w.hostMetadata},
		"/oidc/.well-known/oauth-authorization-server":                    {get: w.workspaceDiscovery},
		"/oidc/.well-known/openid-configuration":                          {get: w.workspaceDiscovery},
		"/oidc/accounts/{account}/.well-known/oauth-authorization-server": {get: w.accountDiscovery},
		"/oidc/accounts/{account}/.well-known/openid-configuration":       {get: w.accountDiscovery},
		"/oidc/v1/token":                    {post: w.workspaceToken},
		"/oidc/accounts/{account}/v1/token": {post: w.accountToken},

		policies:                           {get: w.admin(w.listPolicies), post: w.admin(w.createPolicy)},
		policies + "/{policy...}":          {get: w.admin(w.readPolicy), patch: w.admin(w.updatePolicy), del: w.admin(w.deletePolicy)},
		principalPolicies:                  {get: w.admin(w.listPolicies), post: w.admin(w.createPolicy)},
		principalPolicies + "/{policy...}": {get: w.admin(w.readPolicy), patch: w.admin(w.updatePolicy), del: w.admin(w.deletePolicy)},

		account + "/scim/v2/{type}":      {get: w.admin(w.listResources), post: w.admin(w.createResource)},
		account + "/scim/v2/{type}/{id}": {get: w.admin(w.readResource), put: w.admin(w.replaceResource), patch: w.admin(w.patchResource), del: w.admin(w.deleteResource)},

		assignments:                             {get: w.admin(w.listAssignments)},
		assignments + "/principals/{principal}": {put: w.admin(w.assign), del: w.admin(w.unassign)},

		"/api/2.0/preview/scim/v2/Me": {get: w.workspaceAPI("", w.me)},
		"/api/2.1/clusters/list":      {get: w.workspaceAPI("clusters", emptyList("clusters"))},
		"/api/2.1/jobs/list":          {get: w.workspaceAPI("jobs", emptyPage("jobs"))},
		"/api/2.2/jobs/list":          {get: w.workspaceAPI("jobs", emptyPage("jobs"))},
		"/api/2.0/serving-endpoints":  {get: w.workspaceAPI("model-serving", emptyList("endpoints"))},
	} {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) { e.serve(rw.(*answer), r) })
	}
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) { noEndpoint(rw.(*answer), r) })
	return mux
}

func (e endpoint) serve(a *answer, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http drops the body of the answer
	}
	if handle, ok := e[method]; ok {
		handle(a, r)
		return
	}
	var allowed []string
	for m := range e {
		allowed = append(allowed, m)
	}
	slices.Sort(allowed)
	a.Header().Set("Allow", strings.Join(allowed, ", "))
	a.apiError(http.StatusMethodNotAllowed, codeMethod, "this path takes "+strings.Join(allowed, ", "))
}

func noEndpoint(a *answer, r *http.Request) {
	a.apiError(http.StatusNotFound, codeEndpointNotFound, "No API found for '"+r.Method+" "+r.URL.Path+"'")
}

// ServeHTTP implements [http.Handler].
func (w *Workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: rw}
	w.faults.wait(r.Context())
	a.Header().Set("Cache-Control", "no-store")
	a.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path != path.Clean("/"+r.URL.Path) {
		// The mux would redirect; a token must not travel on a guess.
		noEndpoint(a, r)
	} else {
		w.mux.ServeHTTP(a, r)
	}
	w.record.add(Request{
		Time: w.now(), Method: r.Method, Path: r.URL.Path, UserAgent: r.UserAgent(),
		Principal: a.principal, Status: a.status, ErrorCode: a.errorCode,
	})
}
