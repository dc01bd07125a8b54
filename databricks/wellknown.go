package databricks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
)

const (
	wellKnownPath    = "/.well-known/databricks-config"
	wellKnownLimit   = 64 << 10
	wellKnownTimeout = 10 * time.Second
)

// wellKnown is the part of a host's discovery document that is believed. Its
// oidc_endpoint is left out on purpose: where the ID token goes is configuration.
type wellKnown struct {
	AccountID string `json:"account_id"`
}

// defaultAudience asks the host for the id of its account, which is the audience
// of a federation policy that names none. Config.resolve has made sure that the
// host is one to be believed.
func (s *TokenSource) defaultAudience(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, wellKnownTimeout)
	defer cancel()
	address := s.config.Host + wellKnownPath
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", fmt.Errorf("databricks: asking %s: %v", address, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", s.agent)
	client := &http.Client{Transport: s.config.Transport, CheckRedirect: sameOrigin(s.config.Host)}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("asking %s: %w", address, ctx.Err())
		}
		return "", fmt.Errorf("databricks: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("databricks: %s answered HTTP %d, so the audience is not known: set Config.Audience to what the federation policy expects", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, wellKnownLimit+1))
	if err != nil {
		return "", fmt.Errorf("databricks: reading %s: %v", address, err)
	}
	doc, err := parseWellKnown(body)
	if err != nil {
		return "", fmt.Errorf("databricks: %s: %v", address, err)
	}
	return doc.AccountID, nil
}

// parseWellKnown reads the bytes of a discovery document. The account id it
// returns is never empty and has the characters of an account id only.
func parseWellKnown(body []byte) (wellKnown, error) {
	if len(body) > wellKnownLimit {
		return wellKnown{}, fmt.Errorf("the document is larger than %d bytes", wellKnownLimit)
	}
	var doc wellKnown
	if err := json.Unmarshal(body, &doc); err != nil {
		return wellKnown{}, errors.New("the document is not the JSON it should be")
	}
	if doc.AccountID == "" {
		return wellKnown{}, errors.New("the document names no account_id: set Config.Audience to what the federation policy expects")
	}
	if !accountID.MatchString(doc.AccountID) {
		return wellKnown{}, errors.New("the document's account_id is not an account id")
	}
	return doc, nil
}

// sameOrigin follows a few redirects, and only to the host itself.
func sameOrigin(host string) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		if !isAt(req.URL, host) {
			return fmt.Errorf("refusing a redirect away from %s", host)
		}
		return nil
	}
}

// isAt reports whether u is an address at host, an origin in its normal form.
func isAt(u *url.URL, host string) bool {
	o, err := origin.Of(u)
	return err == nil && o == host
}
