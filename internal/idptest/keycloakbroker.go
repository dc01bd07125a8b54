package idptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Broker is another OpenID provider to which a Keycloak sends people.
type Broker struct {
	// RedirectURI is where Keycloak wants the answers of the other provider.
	RedirectURI string
	alias       string
	keycloak    *KeycloakProvider
}

// NewBroker picks a name for another provider, which the address of its answers
// has in it: the provider has to know that before Keycloak can read about it.
func (p *KeycloakProvider) NewBroker() *Broker {
	alias := strings.ToLower(rand.Text())
	return &Broker{RedirectURI: p.Issuer + "/broker/" + alias + "/endpoint", alias: alias, keycloak: p}
}

// Connect has Keycloak read what the other provider publishes and send people
// there. It returns the parameter that makes an authorization request go there
// without a question.
func (b *Broker) Connect(t testing.TB, c Connector) url.Values {
	t.Helper()
	admin := b.keycloak.admin
	config := admin.importProvider(t, discoveryURL(c.Issuer))
	maps.Copy(config, map[string]string{
		"clientId": c.Client.ID, "clientSecret": c.Client.Secret, "clientAuthMethod": "client_secret_post", "defaultScope": "openid " + strings.Join(c.Scopes, " "),
		"pkceEnabled": "true", "pkceMethod": "S256", "useJwksUrl": "true", "validateSignature": "true", "syncMode": "FORCE",
	})
	admin.create(t, "identity-provider/instances", object{
		"alias": b.alias, "providerId": "oidc", "enabled": true, "trustEmail": true, "firstBrokerLoginFlowAlias": "first broker login", "config": config,
	})
	// Otherwise Keycloak asks the person for what the other provider does not say.
	for attribute, value := range map[string]string{"firstName": "Ada", "lastName": "Example"} {
		admin.create(t, "identity-provider/instances/"+b.alias+"/mappers", object{
			"name": attribute, "identityProviderAlias": b.alias, "identityProviderMapper": "hardcoded-attribute-idp-mapper",
			"config": object{"syncMode": "FORCE", "attribute": attribute, "attribute.value": value},
		})
	}
	return url.Values{"kc_idp_hint": {b.alias}}
}

// importProvider has Keycloak make settings of a discovery document.
func (a *administrator) importProvider(t testing.TB, discovery string) map[string]string {
	t.Helper()
	config, err := a.settings(t.Context(), discovery)
	if err != nil {
		t.Fatalf("idptest: having Keycloak read %s: %v", discovery, err)
	}
	return config
}

func (a *administrator) settings(ctx context.Context, discovery string) (config map[string]string, err error) {
	token, err := a.token(ctx)
	if err != nil {
		return nil, err
	}
	what, err := json.Marshal(object{"providerId": "oidc", "fromUrl": discovery})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/admin/realms/"+realm+"/identity-provider/import-config", bytes.NewReader(what))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	_, body, err := exchange(req)
	if err != nil {
		return nil, err
	}
	return config, json.Unmarshal(body, &config)
}
