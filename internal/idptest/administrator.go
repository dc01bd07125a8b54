package idptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

// administrator changes Keycloak's realm through its administration API.
// https://www.keycloak.org/docs-api/latest/rest-api/index.html
type administrator struct{ base, issuer string }

// person makes somebody with a password of their own.
func (a *administrator) person(t testing.TB, o KeycloakOptions) Person {
	t.Helper()
	p := Person{Name: strings.ToLower(rand.Text()) + "@example.com", Password: rand.Text()}
	actions := []string{}
	if o.Enrols {
		actions = append(actions, "webauthn-register")
	}
	p.Subject = a.create(t, "users", object{
		"username": p.Name, "email": p.Name, "emailVerified": true, "firstName": "Alice", "lastName": "Example", "enabled": true, "requiredActions": actions,
		"credentials": []object{{"type": "password", "value": p.Password}},
	})
	return p
}

// create makes something and returns the last part of its address.
func (a *administrator) create(t testing.TB, what string, content object) string {
	t.Helper()
	body, err := json.Marshal(content)
	if err != nil {
		t.Fatalf("idptest: %v", err)
	}
	resp, err := a.call(t.Context(), http.MethodPost, what, body)
	if err != nil {
		t.Fatalf("idptest: administering Keycloak: %s: %v", what, err)
	}
	return path.Base(resp.Header.Get("Location"))
}

func (a *administrator) call(ctx context.Context, method, what string, body []byte) (*http.Response, error) {
	token, err := a.token(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/admin/realms/"+realm+"/"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, _, err := exchange(req)
	return resp, err
}

// token is for the service account of the realm that may change it.
func (a *administrator) token(ctx context.Context) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"administrator"}, "client_secret": {"administrator-secret"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.issuer+"/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, body, err := exchange(req)
	if err != nil {
		return "", err
	}
	var r struct {
		Token string `json:"access_token"`
	}
	return r.Token, json.Unmarshal(body, &r)
}

// exchange sends a request that must be answered with a good status.
func exchange(req *http.Request) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %.300s", resp.Status, body)
	}
	return resp, body, err
}
