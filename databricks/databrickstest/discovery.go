package databrickstest

import (
	"net/http"
	"strconv"
	"strings"
)

// hostMetadata is the document from which SDKs learn what kind of host this is.
// A host named accounts.… answers as the account's, like accounts.cloud.databricks.com;
// every other one as the workspace's.
func (w *Workspace) hostMetadata(a *answer, r *http.Request) {
	base := w.at(r)
	document := map[string]any{
		"cloud": "AWS",
		// A federation policy that names no audience expects the account id, so
		// that is what a client must ask its identity provider for.
		"token_federation_default_oidc_audiences": []string{w.accountID},
	}
	if strings.HasPrefix(r.Host, "accounts.") {
		document["oidc_endpoint"] = base + "/oidc/accounts/{account_id}"
		document["host_type"] = "account"
	} else {
		document["oidc_endpoint"] = base + "/oidc"
		document["host_type"] = "workspace"
		document["account_id"] = w.accountID
		document["workspace_id"] = strconv.FormatInt(w.workspaceID, 10)
	}
	a.json(http.StatusOK, document)
}

func (w *Workspace) workspaceDiscovery(a *answer, r *http.Request) {
	a.json(http.StatusOK, discovery(w.at(r)+"/oidc"))
}

func (w *Workspace) accountDiscovery(a *answer, r *http.Request) {
	if r.PathValue("account") != w.accountID {
		a.apiError(http.StatusNotFound, codeNotFound, "there is no account with this id here")
		return
	}
	a.json(http.StatusOK, discovery(w.at(r)+"/oidc/accounts/"+w.accountID))
}

// discovery is RFC 8414 metadata. It names only what is served: no
// authorization endpoint, because nobody can log in with a browser here.
func discovery(issuer string) map[string]any {
	return map[string]any{
		"issuer":                                issuer,
		"token_endpoint":                        issuer + "/v1/token",
		"grant_types_supported":                 []string{grantTokenExchange},
		"scopes_supported":                      append([]string{allAPIs}, apiScopes...),
		"token_endpoint_auth_methods_supported": []string{"none"},
	}
}
