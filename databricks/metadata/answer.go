package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/oidc"
)

// The headers of the protocol.
const (
	versionHeader = "X-Databricks-Metadata-Version"
	hostHeader    = "X-Databricks-Host"
	version       = "1"
)

// codeLogin is OpenID Connect Core §3.1.2.6's word for a session that has ended.
// https://openid.net/specs/openid-connect-core-1_0.html#AuthError
const codeLogin = "login_required"

// answer is a token as the clients read it. The Python SDK rejects an expires_on
// that is a string.
type answer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresOn   int64  `json:"expires_on"`
}

// refusal is an answer without a token. Code is from OAuth 2.0 and OpenID Connect
// where those have a word for it.
type refusal struct {
	status int

	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// ServeHTTP answers one request. The checks go from what a stranger can trigger
// to what only a holder of the URL can, and tell a stranger nothing.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A name that was made to point here (DNS rebinding) shows in Host.
	if r.Host != s.names[0] && r.Host != s.names[1] {
		s.refuse(w, r, refusal{status: http.StatusForbidden, Code: "forbidden", Description: "ask at the address that the URL names"})
		return
	}
	if !s.sameUser(r) {
		s.refuse(w, r, refusal{status: http.StatusForbidden, Code: "forbidden", Description: "this is another user's; each user signs in"})
		return
	}
	route, ok := s.find(r.URL.Path)
	if !ok {
		s.refuse(w, r, refusal{status: http.StatusNotFound, Code: "not_found", Description: "no session is served here; a new one has a new URL: " + s.renew()})
		return
	}
	if refused := route.check(r); refused != nil {
		s.refuse(w, r, *refused)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.options.Timeout)
	defer cancel()
	token, err := token(ctx, route.source)
	if err != nil {
		why := s.explain(route, err)
		if why.Code == codeLogin {
			s.prompt(route.host)
		}
		s.refuse(w, r, why)
		return
	}
	s.served()
	route.asked.Store(true)
	s.write(w, http.StatusOK, answer{AccessToken: token.Value.Reveal(), TokenType: "Bearer", ExpiresOn: token.Expires.Unix()})
}

// check is what the protocol asks of a server: "MUST return 4xx response if the
// X-Databricks-Metadata-Version header is not set or set to a version that the
// server doesn't support", and the same for a host "which doesn't match the
// token". A request for anything but GET, a preflight above all, is refused.
// https://github.com/databricks/databricks-sdk-go/blob/v0.175.0/config/auth_metadata_service.go
func (rt *route) check(r *http.Request) *refusal {
	if r.Method != http.MethodGet {
		return &refusal{status: http.StatusMethodNotAllowed, Code: "invalid_request", Description: "only GET is served"}
	}
	if v := r.Header.Values(versionHeader); len(v) != 1 || v[0] != version {
		return &refusal{status: http.StatusBadRequest, Code: "invalid_request", Description: versionHeader + " must be " + version + "; set DATABRICKS_AUTH_TYPE=metadata-service and let the Databricks tool ask"}
	}
	asked := r.Header.Values(hostHeader)
	if len(asked) != 1 {
		return &refusal{status: http.StatusBadRequest, Code: "invalid_request", Description: hostHeader + " must name the host; set DATABRICKS_HOST=" + rt.host}
	}
	// Tools send the host as their users wrote it; some put it into quotes.
	if host, err := origin.Parse(strings.Trim(asked[0], `"`)); err != nil || host != rt.host {
		return &refusal{status: http.StatusBadRequest, Code: "invalid_target", Description: "this URL serves another host; set DATABRICKS_HOST=" + rt.host}
	}
	return nil
}

// explain turns the error of a source into something a person can act upon.
func (s *Server) explain(rt *route, err error) refusal {
	var login *oidc.LoginRequiredError
	var refused *oidc.ExchangeError
	var mend lasting
	switch {
	case errors.As(err, &login):
		how := s.renew()
		if s.options.Command == "" && login.Command != "" {
			how = "run: " + login.Command
		}
		return refusal{status: http.StatusForbidden, Code: codeLogin, Description: "the session for " + rt.host + " has ended; " + how}
	case errors.As(err, &mend) && mend.Lasting():
		return refusal{status: http.StatusForbidden, Code: "access_denied", Description: err.Error()}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return refusal{status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: rt.host + " or the identity provider is slow to answer; try again"}
	case errors.As(err, &refused) && refused.Status < 500 && refused.Status != http.StatusTooManyRequests:
		return refusal{status: http.StatusForbidden, Code: "access_denied", Description: fmt.Sprintf("%v; if the host refused, check its federation policy and the scopes", err)}
	default:
		return refusal{status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: fmt.Sprintf("%v; try again", err)}
	}
}

// renew says how to get a session.
func (s *Server) renew() string {
	if s.options.Command == "" {
		return "sign in again"
	}
	return "run: " + s.options.Command
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	s.options.Logger.WarnContext(r.Context(), "refused", "status", why.status, "error", why.Code, "method", r.Method)
	if why.Description = calm(why.Description); why.Description == "" {
		why.Description = "not now; the program that serves this URL says why"
		if why.Code == codeLogin {
			why.Description = "the session has ended; sign in again with the program that serves this URL"
			if program, _, _ := strings.Cut(s.options.Command, " "); program != "" && calm(program) == program {
				why.Description = "the session has ended; run: " + program + ", with the flags that it was started with"
			}
		}
	}
	if why.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet) // RFC 9110 §15.5.6 wants it
	}
	s.write(w, why.status, why)
}

// frantic are the words in an error upon which the Go SDK keeps asking until its
// 10 s are over, whatever the status (config.EnsureResolved, TransientErrors).
// Among them is the bare number 429, which any port or id may contain.
var frantic = []string{"throttled", "too many requests", "429", "request limit exceeded", "rate limit"}

// calm is text, or nothing if it would make the caller wait for nothing.
func calm(text string) string {
	for _, word := range frantic {
		if strings.Contains(strings.ToLower(text), word) {
			return ""
		}
	}
	return text
}

func (s *Server) write(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// What cannot be sent any more, nobody waits for.
	_ = json.NewEncoder(w).Encode(body)
}
