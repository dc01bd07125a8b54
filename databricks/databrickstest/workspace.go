package databrickstest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lakekey/lakekey/internal/secret"
)

// Options are the choices for a [Workspace]. The zero value works.
type Options struct {
	// AccountID is the account's id, a UUID. Empty means a random one.
	AccountID string
	// WorkspaceID is the numeric id sent as X-Databricks-Org-Id. Zero means
	// 1234567890123456.
	WorkspaceID int64
	// AdminToken is the bearer token of the account admin. Zero means a random
	// one, which [Workspace.AdminToken] tells. At least 16 characters.
	AdminToken secret.Value
	// URL is where the handler is reached, with no path: the discovery documents
	// name their endpoints below it. Empty means the scheme and Host of each
	// request.
	URL string
	// RequireAssignment makes workspace endpoints and the workspace's token
	// endpoint refuse principals that have no permission assignment. False means
	// every active principal of the account may use the workspace.
	RequireAssignment bool
	// HTTPClient fetches the keys of policies that do not hold their own. Nil
	// means a client with a deadline that follows no redirect.
	HTTPClient *http.Client
	// Now is the clock. Nil means [time.Now].
	Now func() time.Time
}

const (
	defaultWorkspaceID = 1234567890123456
	minAdminToken      = 16
)

// Workspace is a Databricks account with one workspace, as an [http.Handler].
// Its methods and the handler are safe for concurrent use.
type Workspace struct {
	accountID         string
	workspaceID       int64
	url               string
	requireAssignment bool
	adminToken        secret.Value
	now               func() time.Time
	keys              *keySource
	mux               *http.ServeMux
	record            recorder
	faults            faults

	mu          sync.RWMutex
	directory   directory
	policies    policies
	grants      map[tokenHash]grant
	assignments map[string][]string
}

// New returns an empty account: nobody can sign in before a user and a
// federation policy exist.
func New(o Options) (*Workspace, error) {
	if o.AccountID == "" {
		o.AccountID = uuid.NewString()
	}
	if !uuidText.MatchString(o.AccountID) {
		return nil, fmt.Errorf("databrickstest: account id %q is not a UUID in lower case, such as %s", o.AccountID, uuid.Nil)
	}
	if o.WorkspaceID == 0 {
		o.WorkspaceID = defaultWorkspaceID
	}
	if o.WorkspaceID < 0 {
		return nil, fmt.Errorf("databrickstest: workspace id %d is negative", o.WorkspaceID)
	}
	if o.AdminToken.IsZero() {
		o.AdminToken = randomToken()
	}
	if len(o.AdminToken.Reveal()) < minAdminToken {
		return nil, fmt.Errorf("databrickstest: the admin token has fewer than %d characters", minAdminToken)
	}
	base, err := baseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Workspace{
		accountID:         o.AccountID,
		workspaceID:       o.WorkspaceID,
		url:               base,
		requireAssignment: o.RequireAssignment,
		adminToken:        o.AdminToken,
		now:               o.Now,
		keys:              newKeySource(o.HTTPClient, o.Now),
		directory:         newDirectory(),
		policies:          policies{},
		grants:            map[tokenHash]grant{},
		assignments:       map[string][]string{},
	}
	w.mux = w.routes()
	return w, nil
}

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func baseURL(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("databrickstest: the URL cannot be read")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil,
		u.RawQuery != "", u.Fragment != "", strings.Trim(u.Path, "/") != "":
		return "", fmt.Errorf("databrickstest: URL %q is not http or https with a host and nothing else", s)
	}
	return u.Scheme + "://" + u.Host, nil
}

// AccountID tells the account's id: the audience that a federation policy
// expects when it names none.
func (w *Workspace) AccountID() string { return w.accountID }

// AdminToken tells the bearer token of the account admin.
func (w *Workspace) AdminToken() secret.Value { return w.adminToken }

// at is the URL under which the request reached the handler.
func (w *Workspace) at(r *http.Request) string {
	if w.url != "" {
		return w.url
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
