package issuer

import (
	"net"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// metadata describes the issuer to clients: OpenID Connect Discovery §3 and
// RFC 8414 §2, with the endpoints of RFC 7009 and RFC 7662, plus what FiPA §8 and RFC 9449 §5.1 add.
// What needs a page is absent where there is none: an authorization_endpoint is
// asked for by RFC 8414 only if a grant uses it.
type metadata struct {
	Issuer                 string   `json:"issuer"`
	JWKSURI                string   `json:"jwks_uri"`
	TokenEndpoint          string   `json:"token_endpoint"`
	ChallengeEndpoint      string   `json:"authorization_challenge_endpoint"`
	RevocationEndpoint     string   `json:"revocation_endpoint"`
	ScopesSupported        []string `json:"scopes_supported"`
	ResponseTypesSupported []string `json:"response_types_supported"`
	GrantTypesSupported    []string `json:"grant_types_supported"`
	SubjectTypesSupported  []string `json:"subject_types_supported"`
	IDTokenAlgs            []string `json:"id_token_signing_alg_values_supported"`
	ACRValuesSupported     []string `json:"acr_values_supported"`
	ClaimsSupported        []string `json:"claims_supported"`
	ClaimsParameter        bool     `json:"claims_parameter_supported"`
	RequestParameter       bool     `json:"request_parameter_supported"`
	RequestURIParameter    bool     `json:"request_uri_parameter_supported"` // true if left out
	TokenEndpointAuth      []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpointAuth []string `json:"revocation_endpoint_auth_methods_supported"` // client_secret_basic if left out
	RevocationEndpointAlgs []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpoint  string   `json:"introspection_endpoint"`
	IntrospectionAuth      []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs      []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	CodeChallengeMethods   []string `json:"code_challenge_methods_supported"`
	BackchannelLogout      bool     `json:"backchannel_logout_supported"`
	BackchannelSession     bool     `json:"backchannel_logout_session_supported"`
	DPoPAlgs               []string `json:"dpop_signing_alg_values_supported"`

	*frontMetadata // nil: there are no pages
}

// frontMetadata describes what a browser is needed for.
type frontMetadata struct {
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	PushEndpoint          string   `json:"pushed_authorization_request_endpoint"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	ResponseModes         []string `json:"response_modes_supported"`
	Prompts               []string `json:"prompt_values_supported"`
	ResponseIss           bool     `json:"authorization_response_iss_parameter_supported"`
}

func (i *Issuer) frontMetadata() *frontMetadata {
	if i.site == nil {
		return nil
	}
	return &frontMetadata{
		AuthorizationEndpoint: i.authorizeURL,
		PushEndpoint:          i.pushURL,
		DeviceEndpoint:        i.startURL,
		UserinfoEndpoint:      i.userinfoURL,
		EndSessionEndpoint:    i.logoutURL,
		ResponseModes:         []string{modeQuery, modeFormPost},
		Prompts:               []string{"none", "login", "consent", "select_account"},
		ResponseIss:           true,
	}
}

// route is one endpoint: its path is matched exactly.
type route struct {
	method  string // empty: the handler looks at it
	handler http.HandlerFunc
}

func (i *Issuer) addRoutes() {
	base, path := i.url.String(), i.url.Path
	i.tokenURL, i.challengeURL, i.revokeURL = base+"/token", base+"/authorize-challenge", base+"/revoke"
	i.introspectURL = base + "/introspect"
	i.authorizeURL, i.pageURL, i.pushURL = base+"/authorize", base+"/authorize/page", base+"/par"
	i.startURL, i.deviceURL, i.userinfoURL, i.logoutURL = base+"/device_authorization", base+"/device", base+"/userinfo", base+"/logout"
	scopes := []string{scopeOpenID}
	claims := []string{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "jti", "sid", "session_expiry"}
	grants := []string{grantCode, grantRefresh, grantExchange}
	if i.site != nil {
		grants = append(grants, grantDevice)
		scopes, claims = append(scopes, scopeProfile, scopeEmail), append(claims, claimEmail, claimUserName)
	}
	doc := metadata{
		Issuer:                 base,
		JWKSURI:                base + "/jwks",
		TokenEndpoint:          i.tokenURL,
		ChallengeEndpoint:      i.challengeURL,
		RevocationEndpoint:     i.revokeURL,
		ScopesSupported:        scopes,
		ResponseTypesSupported: []string{"code"},
		GrantTypesSupported:    grants,
		SubjectTypesSupported:  []string{"public"},
		ACRValuesSupported:     []string{acrHardware, acrPhishingResistant},
		ClaimsSupported:        claims,

		ClaimsParameter:        i.site != nil,
		TokenEndpointAuth:      []string{authNone, authKey},
		TokenEndpointAlgs:      statementAlgs,
		RevocationEndpointAuth: []string{authNone, authKey},
		RevocationEndpointAlgs: statementAlgs,
		IntrospectionEndpoint:  i.introspectURL,
		IntrospectionAuth:      []string{authKey},
		IntrospectionAlgs:      statementAlgs,
		CodeChallengeMethods:   []string{"S256"},
		BackchannelLogout:      true,
		BackchannelSession:     true,
		DPoPAlgs:               []string{string(jose.ES256), string(jose.EdDSA), algEd25519},
		frontMetadata:          i.frontMetadata(),
	}
	i.routes = map[string]route{
		path + "/.well-known/openid-configuration": {http.MethodGet, i.discovery(doc)},
		// RFC 8414 §3 puts the well-known part before the issuer's path.
		"/.well-known/oauth-authorization-server" + path: {http.MethodGet, i.discovery(doc)},
		path + "/jwks":                {http.MethodGet, i.keySet},
		path + "/authorize-challenge": {http.MethodPost, i.endpoint(i.challengeURL, i.challenge)},
		path + "/token":               {http.MethodPost, i.endpoint(i.tokenURL, i.redeem)},
		path + "/revoke":              {http.MethodPost, i.endpoint(i.revokeURL, i.revoke)},
		path + "/introspect":          {http.MethodPost, i.endpoint(i.introspectURL, i.introspect)},
	}
	if i.site != nil {
		i.addPages(path)
	}
}

// addPages adds what browsers are sent to.
func (i *Issuer) addPages(path string) {
	i.routes[path+"/authorize"] = route{"", i.authorize}
	i.routes[path+"/authorize/page"] = route{"", i.site.SignIn(page{i}).ServeHTTP}
	i.routes[path+"/authorize/cancel"] = route{http.MethodGet, getOnly(i.cancel)}
	i.routes[path+"/par"] = route{http.MethodPost, i.endpoint(i.pushURL, i.push)}
	i.routes[path+"/device_authorization"] = route{http.MethodPost, i.unhurried(i.endpoint(i.startURL, i.startDevice))}
	i.routes[path+"/device"] = route{"", i.site.Guard(http.HandlerFunc(i.devicePage)).ServeHTTP}
	i.routes[path+"/device/approve"] = route{"", i.site.SignIn(approval{i}).ServeHTTP}
	i.routes[path+"/device/deny"] = route{http.MethodGet, getOnly(i.deny)}
	i.routes[path+"/device/done"] = route{http.MethodGet, i.deviceDone}
	i.routes[path+"/userinfo"] = route{"", i.userinfo}
	i.routes[path+"/logout"] = route{"", i.logout}
	i.routes[path+"/logout/confirm"] = route{"", i.site.Guard(http.HandlerFunc(i.confirmLogout)).ServeHTTP}
	i.routes[path+"/authorize/post"] = route{http.MethodGet, getOnly(i.postAnswer)}
}

// unhurried counts requests by the address that they come from.
func (i *Issuer) unhurried(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if i.site.Unhurried(w, r) {
			h(w, r)
		}
	}
}

// getOnly is for pages that use something up: whoever asks for the head of one
// does not get it.
func getOnly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			h(w, r)
		}
	}
}

// ServeHTTP implements [http.Handler].
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt, known := i.routes[r.URL.Path]
	switch {
	case !known:
		i.writeError(w, r, refuse(http.StatusNotFound, "invalid_request", "nothing here; "+i.url.String()+"/.well-known/openid-configuration lists the endpoints"))
	case rt.method != "" && r.Method != rt.method && (r.Method != http.MethodHead || rt.method != http.MethodGet):
		w.Header().Set("Allow", rt.method)
		i.writeError(w, r, refuse(http.StatusMethodNotAllowed, "invalid_request", "this endpoint takes "+rt.method))
	default:
		rt.handler(w, r)
	}
}

// discovery answers with doc. The algorithms are those of the keys that are
// published: what signs tomorrow is named today.
func (i *Issuer) discovery(doc metadata) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h, err := i.keyring.published(r.Context())
		if err != nil {
			i.writeError(w, r, err)
			return
		}
		doc := doc
		doc.IDTokenAlgs = h.algorithms
		i.write(w, r, ok(doc))
	}
}

// keySet is where relying parties find the keys (RFC 7517 §5).
func (i *Issuer) keySet(w http.ResponseWriter, r *http.Request) {
	h, err := i.keyring.published(r.Context())
	if err != nil {
		i.writeError(w, r, err)
		return
	}
	i.write(w, r, ok(h.document))
}

// call is a request to one of the endpoints that take a form.
type call struct {
	form
	client Client
	proofs []string // DPoP headers, at most one of which is right
	url    string   // of the endpoint, as configured
	remote string   // address, for the audit log
}

// endpoint reads the form, finds the client, and leaves the rest to next.
func (i *Issuer) endpoint(url string, next func(*http.Request, *call) (reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := i.newCall(w, r, url)
		if err != nil {
			i.writeError(w, r, err)
			return
		}
		answer, err := next(r, c)
		if err != nil {
			i.writeError(w, r, err)
			return
		}
		i.write(w, r, answer)
	}
}

func (i *Issuer) newCall(w http.ResponseWriter, r *http.Request, url string) (*call, error) {
	f, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	// RFC 6749 §5.2: a client that used the Authorization header is told by a
	// 401 that names its scheme.
	if r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", "Basic")
		return nil, refuse(http.StatusUnauthorized, "invalid_client", "clients of this issuer have no secret: send client_id in the form and a DPoP proof")
	}
	client, err := i.authenticate(r.Context(), f)
	if err != nil {
		return nil, err
	}
	return &call{form: f, client: client, proofs: r.Header.Values("DPoP"), url: url, remote: i.remote(r)}, nil
}

// remote is the address that a request comes from.
func (i *Issuer) remote(r *http.Request) string {
	if i.site != nil {
		return i.site.Remote(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
