package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/internal/strictjson"
)

const (
	githubURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	githubToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	azureToken  = "SYSTEM_ACCESSTOKEN"

	// azureAudience is what Azure DevOps makes all of its tokens for.
	azureAudience = "api://AzureADTokenExchange"

	requestTime = 15 * time.Second
)

// GitHub is the token service of GitHub Actions, which makes a token for any
// audience. The job needs "permissions: id-token: write".
// https://docs.github.com/en/actions/reference/security/oidc
func GitHub(getenv func(string) string) (Source, error) {
	address, credential := getenv(githubURL), secret.New(getenv(githubToken))
	if address == "" || credential.IsZero() {
		return Source{}, errors.New("workload: GitHub Actions gives this job no ID tokens: its workflow needs permissions: id-token: write")
	}
	u, err := pinned(address)
	if err != nil {
		return Source{}, fmt.Errorf("workload: %s: %v", githubURL, err)
	}
	return Source{
		name: "GitHub Actions", renew: "run the job again",
		fetch: func(ctx context.Context, audience string) (secret.Value, error) {
			at := *u
			query := at.Query()
			query.Set("audience", audience)
			at.RawQuery = query.Encode()
			return request(ctx, http.MethodGet, at.String(), credential, "value")
		},
	}, nil
}

// AzureDevOps is the token service of Azure Pipelines. Its tokens are for
// api://AzureADTokenExchange, whatever is asked: the federation policy must name
// that as the audience. The job's step needs "env: SYSTEM_ACCESSTOKEN:
// $(System.AccessToken)".
// https://learn.microsoft.com/en-us/rest/api/azure/devops/distributedtask/oidctoken/create
func AzureDevOps(getenv func(string) string) (Source, error) {
	credential := secret.New(getenv(azureToken))
	if credential.IsZero() {
		return Source{}, errors.New("workload: Azure DevOps shows this step no access token: it needs env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)")
	}
	var parts []string
	for _, name := range []string{"SYSTEM_TEAMPROJECTID", "SYSTEM_HOSTTYPE", "SYSTEM_PLANID", "SYSTEM_JOBID"} {
		value := getenv(name)
		if value == "" {
			return Source{}, fmt.Errorf("workload: %s is empty: is this an Azure DevOps job?", name)
		}
		parts = append(parts, url.PathEscape(value))
	}
	u, err := pinned(getenv("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"))
	if err != nil {
		return Source{}, fmt.Errorf("workload: SYSTEM_TEAMFOUNDATIONCOLLECTIONURI: %v", err)
	}
	at := fmt.Sprintf("%s/%s/_apis/distributedtask/hubs/%s/plans/%s/jobs/%s/oidctoken?api-version=7.2-preview.1",
		strings.TrimSuffix(u.String(), "/"), parts[0], parts[1], parts[2], parts[3])
	return Source{
		name: "Azure DevOps", renew: "run the job again",
		fetch: func(ctx context.Context, audience string) (secret.Value, error) {
			if audience != azureAudience {
				return secret.Value{}, refuse("aud", "Azure DevOps makes tokens for %s and nobody else: take that as the audience, here and in the federation policy", azureAudience)
			}
			return request(ctx, http.MethodPost, at, credential, "oidcToken")
		},
	}, nil
}

// pinned reads an address that the environment names.
func pinned(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return nil, errors.New("not an address")
	}
	if _, err := origin.Of(u); err != nil {
		return nil, err
	}
	return u, nil
}

// client follows no redirect: what it sends is for one endpoint.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// request asks a token service and returns the member that holds the token.
func request(ctx context.Context, method, address string, credential secret.Value, member string) (secret.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return secret.Value{}, errors.New("workload: the token service has no address that can be asked")
	}
	req.Header.Set("Authorization", "Bearer "+credential.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "lakekey")
	host := req.URL.Host
	resp, err := client.Do(req)
	if err != nil {
		return secret.Value{}, asked(ctx, host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 2*maxToken))
	switch {
	case err != nil:
		return secret.Value{}, asked(ctx, host, err)
	case resp.StatusCode != http.StatusOK:
		return secret.Value{}, fmt.Errorf("workload: the token service at %s answered %d", host, resp.StatusCode)
	}
	var token string
	err = strictjson.Members(body, func(name, value []byte) error {
		if string(name) == member {
			return json.Unmarshal(value, &token)
		}
		return nil
	})
	if err != nil || token == "" {
		return secret.Value{}, fmt.Errorf("workload: the token service at %s answered without a token in %q", host, member)
	}
	return secret.New(token), nil
}

// asked says how a request failed, without its address, which holds a credential
// at some services.
func asked(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("workload: asking the token service at %s: %w", host, ctx.Err())
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("workload: asking the token service at %s: %v", host, err)
}
