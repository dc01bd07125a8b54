package databrickstest

import (
	"net/http"
	"slices"
	"strings"
)

// apiScopes are the names on the API scopes pages of the documentation. Each
// lets a token call one group of APIs, and MeScim besides.
//
//	https://docs.databricks.com/api/workspace/scopes
//	https://docs.databricks.com/api/account/scopes
var apiScopes = []string{
	"access-management", "alerts", "apps", "authentication", "billing", "cleanrooms",
	"clusters", "command-execution", "dashboards", "dataclassification", "dataquality",
	"database", "files", "genie", "global-init-scripts", "identity", "instance-pools",
	"instance-profiles", "jobs", "libraries", "marketplace", "mlflow", "model-serving",
	"networking", "notifications", "pipelines", "postgres", "provisioning",
	"query-history", "scim", "secrets", "settings", "sharing", "sql", "tags",
	"unity-catalog", "vector-search", "workspace",
}

const allAPIs = "all-apis"

// scopeSet is what one token may do: a scope's name to the modifiers that
// narrow it; no modifier means all of it.
type scopeSet map[string][]string

// parseScopes reads a scope parameter. ok is false if a name or modifier is
// unknown or one scope is asked for twice.
//
// Modifiers follow https://docs.databricks.com/aws/en/dev-tools/auth/scope-modifiers:
// "To combine modifiers, add both: sql:read:restricted-query allows the sql
// scope's read operations […], and read-only queries."
func parseScopes(s string) (set scopeSet, ok bool) {
	set = scopeSet{}
	// RFC 6749 section 3.3: scope-token *( SP scope-token ), so a doubled,
	// leading or trailing space is malformed.
	for scope := range strings.SplitSeq(s, " ") {
		name, rest, narrowed := strings.Cut(scope, ":")
		if name != allAPIs && !slices.Contains(apiScopes, name) {
			return nil, false
		}
		if _, twice := set[name]; twice {
			return nil, false
		}
		set[name] = nil
		if !narrowed {
			continue
		}
		switch {
		case rest == "read":
			set[name] = []string{"read"}
		case rest == "restricted-query" && name == "sql":
			set[name] = []string{"restricted-query"}
		case rest == "read:restricted-query" && name == "sql":
			set[name] = []string{"read", "restricted-query"}
		default:
			return nil, false
		}
	}
	return set, true
}

// allows reports whether the set lets a request with this method call an API of
// the named scope.
func (s scopeSet) allows(name, method string) bool {
	for _, have := range []string{name, allAPIs} {
		modifiers, ok := s[have]
		if !ok {
			continue
		}
		// ":read: Allows only the scope's read operations (GET and HEAD requests)."
		reads := method == http.MethodGet || method == http.MethodHead
		if len(modifiers) == 0 || reads && slices.Contains(modifiers, "read") {
			return true
		}
	}
	return false
}
