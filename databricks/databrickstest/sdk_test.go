package databrickstest_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	sdk "github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/databricks/databricks-sdk-go/service/oauth2"
	"github.com/databricks/databricks-sdk-go/service/serving"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
)

// fixed is a configuration that looks at no file of the person who runs the tests.
func fixed(host string) *sdk.Config {
	return &sdk.Config{Host: host, Loaders: []config.Loader{config.ConfigAttributes}, HTTPTimeoutSeconds: 30}
}

func accountClient(t *testing.T, host string) *sdk.AccountClient {
	t.Helper()
	cfg := fixed(host)
	cfg.AccountID, cfg.Token, cfg.AuthType = accountID, adminToken, "pat"
	a, err := sdk.NewAccountClient(cfg)
	require.NoError(t, err)
	return a
}

func TestSDKAdministersPolicies(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	server := httptest.NewServer(w)
	defer server.Close()
	a, ctx := accountClient(t, server.URL), t.Context()
	signer := newES256(t, "k1")

	created, err := a.FederationPolicy.Create(ctx, oauth2.CreateAccountFederationPolicyRequest{
		PolicyId: "our-idp",
		Policy: oauth2.FederationPolicy{Description: "ours", OidcPolicy: &oauth2.OidcFederationPolicy{
			Issuer: issuerURL, JwksJson: string(keySet(signer)),
		}},
	})
	require.NoError(t, err)
	require.Equal(t, "accounts/"+accountID+"/federationPolicies/our-idp", created.Name)
	require.Equal(t, "our-idp", created.PolicyId)
	require.NotEmpty(t, created.Uid)
	require.Zero(t, created.ServicePrincipalId)
	_, err = time.Parse(time.RFC3339, created.CreateTime)
	require.NoError(t, err)

	_, err = a.FederationPolicy.Create(ctx, oauth2.CreateAccountFederationPolicyRequest{
		PolicyId: "our-idp", Policy: oauth2.FederationPolicy{OidcPolicy: &oauth2.OidcFederationPolicy{Issuer: issuerURL}},
	})
	require.ErrorIs(t, err, apierr.ErrResourceAlreadyExists)

	updated, err := a.FederationPolicy.Update(ctx, oauth2.UpdateAccountFederationPolicyRequest{
		PolicyId: "our-idp", UpdateMask: "oidc_policy.audiences",
		Policy: oauth2.FederationPolicy{Description: "not in the mask", OidcPolicy: &oauth2.OidcFederationPolicy{Audiences: []string{"a", "b"}}},
	})
	require.NoError(t, err)
	require.Equal(t, "ours", updated.Description)
	require.Equal(t, []string{"a", "b"}, updated.OidcPolicy.Audiences)
	require.Equal(t, issuerURL, updated.OidcPolicy.Issuer)

	got, err := a.FederationPolicy.GetByPolicyId(ctx, "our-idp")
	require.NoError(t, err)
	require.Equal(t, updated, got)

	for range 4 {
		_, err = a.FederationPolicy.Create(ctx, oauth2.CreateAccountFederationPolicyRequest{
			Policy: oauth2.FederationPolicy{OidcPolicy: &oauth2.OidcFederationPolicy{Issuer: issuerURL}},
		})
		require.NoError(t, err)
	}
	all, err := a.FederationPolicy.ListAll(ctx, oauth2.ListAccountFederationPoliciesRequest{PageSize: 2})
	require.NoError(t, err)
	require.Len(t, all, 5, "three pages")

	require.NoError(t, a.FederationPolicy.DeleteByPolicyId(ctx, "our-idp"))
	_, err = a.FederationPolicy.GetByPolicyId(ctx, "our-idp")
	require.ErrorIs(t, err, apierr.ErrResourceDoesNotExist)
}

func TestSDKAdministersServicePrincipals(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	server := httptest.NewServer(w)
	defer server.Close()
	a, ctx := accountClient(t, server.URL), t.Context()

	sp, err := a.ServicePrincipalsV2.Create(ctx, iam.CreateAccountServicePrincipalRequest{DisplayName: "trainer", Active: true})
	require.NoError(t, err)
	require.True(t, sp.Active)
	id, err := strconv.ParseInt(sp.Id, 10, 64)
	require.NoError(t, err)

	policy, err := a.ServicePrincipalFederationPolicy.Create(ctx, oauth2.CreateServicePrincipalFederationPolicyRequest{
		ServicePrincipalId: id,
		Policy:             oauth2.FederationPolicy{OidcPolicy: &oauth2.OidcFederationPolicy{Issuer: issuerURL, Subject: "role:trainer"}},
	})
	require.NoError(t, err)
	require.Equal(t, id, policy.ServicePrincipalId)
	require.Equal(t, "accounts/"+accountID+"/servicePrincipals/"+sp.Id+"/federationPolicies/"+policy.PolicyId, policy.Name)

	_, err = a.ServicePrincipalFederationPolicy.Update(ctx, oauth2.UpdateServicePrincipalFederationPolicyRequest{
		ServicePrincipalId: id, PolicyId: policy.PolicyId, UpdateMask: "oidc_policy.subject",
		Policy: oauth2.FederationPolicy{OidcPolicy: &oauth2.OidcFederationPolicy{Subject: "role:other"}},
	})
	require.NoError(t, err)
	got, err := a.ServicePrincipalFederationPolicy.GetByServicePrincipalIdAndPolicyId(ctx, id, policy.PolicyId)
	require.NoError(t, err)
	require.Equal(t, "role:other", got.OidcPolicy.Subject)

	for i := 1; i < 20; i++ {
		_, err = a.ServicePrincipalFederationPolicy.Create(ctx, oauth2.CreateServicePrincipalFederationPolicyRequest{
			ServicePrincipalId: id,
			Policy:             oauth2.FederationPolicy{OidcPolicy: &oauth2.OidcFederationPolicy{Issuer: issuerURL, Subject: "s"}},
		})
		require.NoError(t, err)
	}
	_, err = a.ServicePrincipalFederationPolicy.Create(ctx, oauth2.CreateServicePrincipalFederationPolicyRequest{
		ServicePrincipalId: id,
		Policy:             oauth2.FederationPolicy{OidcPolicy: &oauth2.OidcFederationPolicy{Issuer: issuerURL, Subject: "s"}},
	})
	require.ErrorIs(t, err, apierr.ErrBadRequest)
	require.ErrorContains(t, err, "20")
	all, err := a.ServicePrincipalFederationPolicy.ListAll(ctx, oauth2.ListServicePrincipalFederationPoliciesRequest{ServicePrincipalId: id})
	require.NoError(t, err)
	require.Len(t, all, 20)

	require.NoError(t, a.ServicePrincipalFederationPolicy.DeleteByServicePrincipalIdAndPolicyId(ctx, id, policy.PolicyId))
	require.NoError(t, a.ServicePrincipalsV2.Delete(ctx, iam.DeleteAccountServicePrincipalRequest{Id: sp.Id}))
	_, err = a.ServicePrincipalFederationPolicy.ListByServicePrincipalId(ctx, id)
	require.ErrorIs(t, err, apierr.ErrNotFound)
}

func TestSDKAdministersUsersAndGroups(t *testing.T) {
	w, _ := newWorkspace(t, nil)
	server := httptest.NewServer(w)
	defer server.Close()
	a, ctx := accountClient(t, server.URL), t.Context()

	grace, err := a.UsersV2.Create(ctx, iam.CreateAccountUserRequest{
		UserName: "grace@example.com", DisplayName: "Grace", Name: &iam.Name{GivenName: "Grace", FamilyName: "Hopper"},
		Roles: []iam.ComplexValue{{Value: "account_admin"}},
	})
	require.NoError(t, err)
	require.True(t, grace.Active, "users are active unless told")
	require.Equal(t, accountID, grace.AccountId)
	require.Equal(t, "account_admin", grace.Roles[0].Value)

	_, err = a.UsersV2.Create(ctx, iam.CreateAccountUserRequest{UserName: "GRACE@example.com"})
	require.ErrorIs(t, err, apierr.ErrResourceConflict)
	_, err = a.UsersV2.Create(ctx, iam.CreateAccountUserRequest{UserName: "not an address"})
	require.ErrorIs(t, err, apierr.ErrBadRequest)

	found, err := a.UsersV2.ListAll(ctx, iam.ListAccountUsersRequest{Filter: `userName eq "Grace@Example.com"`})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, grace.Id, found[0].Id)
	_, err = a.UsersV2.ListAll(ctx, iam.ListAccountUsersRequest{Filter: `userName co "grace"`})
	require.ErrorIs(t, err, apierr.ErrBadRequest)
	everyone, err := a.UsersV2.ListAll(ctx, iam.ListAccountUsersRequest{Count: 1})
	require.NoError(t, err)
	require.NotEmpty(t, everyone)

	require.NoError(t, a.UsersV2.Patch(ctx, iam.PatchAccountUserRequest{
		Id: grace.Id, Schemas: []iam.PatchSchema{iam.PatchSchemaUrnIetfParamsScimApiMessages20PatchOp},
		Operations: []iam.Patch{{Op: iam.PatchOpReplace, Path: "active", Value: false}},
	}))
	again, err := a.UsersV2.Get(ctx, iam.GetAccountUserRequest{Id: grace.Id})
	require.NoError(t, err)
	require.False(t, again.Active)
	require.NoError(t, a.UsersV2.Update(ctx, iam.UpdateAccountUserRequest{
		Id: grace.Id, UserName: "other@example.com", DisplayName: "Rear Admiral", Active: true,
	}))
	again, err = a.UsersV2.Get(ctx, iam.GetAccountUserRequest{Id: grace.Id})
	require.NoError(t, err)
	require.Equal(t, "grace@example.com", again.UserName, "userName cannot be updated")
	require.Equal(t, "Rear Admiral", again.DisplayName)
	require.True(t, again.Active)

	group, err := a.GroupsV2.Create(ctx, iam.CreateAccountGroupRequest{DisplayName: "admirals"})
	require.NoError(t, err)
	require.NoError(t, a.GroupsV2.Patch(ctx, iam.PatchAccountGroupRequest{
		Id: group.Id, Operations: []iam.Patch{{Op: iam.PatchOpAdd, Path: "members", Value: []map[string]string{{"value": grace.Id}}}},
	}))
	group, err = a.GroupsV2.Get(ctx, iam.GetAccountGroupRequest{Id: group.Id})
	require.NoError(t, err)
	require.Equal(t, grace.Id, group.Members[0].Value)
	require.Equal(t, "Rear Admiral", group.Members[0].Display)
	groups, err := a.GroupsV2.ListAll(ctx, iam.ListAccountGroupsRequest{Filter: `displayName eq "admirals"`})
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.Empty(t, groups[0].Members, "lists hold no members")
	require.NoError(t, a.GroupsV2.Patch(ctx, iam.PatchAccountGroupRequest{
		Id: group.Id, Operations: []iam.Patch{{Op: iam.PatchOpRemove, Path: `members[value eq "` + grace.Id + `"]`}},
	}))
	group, err = a.GroupsV2.Get(ctx, iam.GetAccountGroupRequest{Id: group.Id})
	require.NoError(t, err)
	require.Empty(t, group.Members)

	require.NoError(t, a.UsersV2.Delete(ctx, iam.DeleteAccountUserRequest{Id: grace.Id}))
	_, err = a.UsersV2.Get(ctx, iam.GetAccountUserRequest{Id: grace.Id})
	require.ErrorIs(t, err, apierr.ErrNotFound)
}

func TestSDKAssignsPrincipals(t *testing.T) {
	w, _ := newWorkspace(t, func(o *databrickstest.Options) { o.WorkspaceID, o.RequireAssignment = 42, true })
	server := httptest.NewServer(w)
	defer server.Close()
	a, ctx := accountClient(t, server.URL), t.Context()
	signer := newES256(t, "k1")
	trust(t, w, keySet(signer))
	users, err := a.UsersV2.ListAll(ctx, iam.ListAccountUsersRequest{})
	require.NoError(t, err)
	id, err := strconv.ParseInt(users[0].Id, 10, 64)
	require.NoError(t, err)

	token := signer.sign(claims(nil))
	out := exchange(w, token, nil)
	require.Equal(t, 400, out.status)
	require.Contains(t, out.body["error_description"], "not assigned")
	onAccount := post(w, "/oidc/accounts/"+accountID+"/v1/token", exchangeForm(token, nil))
	require.Equal(t, 200, onAccount.status, "the account's own endpoint does not ask for it")
	minted := onAccount.body["access_token"].(string)
	require.Equal(t, 403, send(w, request("GET", mePath, minted, "")).status)

	assigned, err := a.WorkspaceAssignment.Update(ctx, iam.UpdateWorkspaceAssignments{
		WorkspaceId: 42, PrincipalId: id, Permissions: []iam.WorkspacePermission{iam.WorkspacePermissionUser},
	})
	require.NoError(t, err)
	require.Equal(t, ada, assigned.Principal.UserName)
	list, err := a.WorkspaceAssignment.ListByWorkspaceId(ctx, 42)
	require.NoError(t, err)
	require.Len(t, list.PermissionAssignments, 1)
	require.Equal(t, 200, exchange(w, token, nil).status)
	require.Equal(t, 200, send(w, request("GET", mePath, minted, "")).status)

	require.NoError(t, a.WorkspaceAssignment.DeleteByWorkspaceIdAndPrincipalId(ctx, 42, id))
	require.Equal(t, 400, exchange(w, token, nil).status)
	_, err = a.WorkspaceAssignment.ListByWorkspaceId(ctx, 43)
	require.ErrorIs(t, err, apierr.ErrNotFound)

	// Through a group, and through a group in a group.
	inner, err := a.GroupsV2.Create(ctx, iam.CreateAccountGroupRequest{DisplayName: "inner", Members: []iam.ComplexValue{{Value: users[0].Id}}})
	require.NoError(t, err)
	outer, err := a.GroupsV2.Create(ctx, iam.CreateAccountGroupRequest{DisplayName: "outer", Members: []iam.ComplexValue{{Value: inner.Id}}})
	require.NoError(t, err)
	outerID, err := strconv.ParseInt(outer.Id, 10, 64)
	require.NoError(t, err)
	_, err = a.WorkspaceAssignment.Update(ctx, iam.UpdateWorkspaceAssignments{
		WorkspaceId: 42, PrincipalId: outerID, Permissions: []iam.WorkspacePermission{iam.WorkspacePermissionAdmin},
	})
	require.NoError(t, err)
	require.Equal(t, 200, exchange(w, token, nil).status)
}

// The SDK's own OIDC strategy is a client of the token endpoint that we did not
// write.
func TestSDKSignsInWithAnIDToken(t *testing.T) {
	w, clk := newWorkspace(t, func(o *databrickstest.Options) { o.WorkspaceID = 77 })
	clk.now = time.Now()
	server := httptest.NewServer(w)
	defer server.Close()
	signer := newRS256(t, "k1", 2048)
	trust(t, w, keySet(signer))
	file := filepath.Join(t.TempDir(), "id-token")
	subject := signer.sign(claims(map[string]any{"iat": clk.Now().Unix(), "exp": clk.Now().Add(time.Hour).Unix()}))
	require.NoError(t, os.WriteFile(file, []byte(subject), 0o600))

	client := func(scopes ...string) *sdk.WorkspaceClient {
		cfg := fixed(server.URL)
		cfg.AuthType, cfg.OIDCTokenFilepath, cfg.Scopes = "file-oidc", file, scopes
		c, err := sdk.NewWorkspaceClient(cfg)
		require.NoError(t, err)
		return c
	}
	ctx := t.Context()
	all := client("clusters:read", "jobs", "model-serving")
	require.Equal(t, accountID, all.Config.AccountID, "from databricks-config")
	me, err := all.CurrentUser.Me(ctx, iam.MeRequest{})
	require.NoError(t, err)
	require.Equal(t, ada, me.UserName)
	require.True(t, me.Active)
	require.Equal(t, ada, me.Emails[0].Value)
	id, err := all.CurrentWorkspaceID(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 77, id)
	_, err = all.Clusters.ListAll(ctx, compute.ListClustersRequest{})
	require.NoError(t, err)
	_, err = all.Jobs.ListAll(ctx, jobs.ListJobsRequest{})
	require.NoError(t, err)
	endpoints, err := all.ServingEndpoints.List(ctx).Next(ctx)
	require.Error(t, err, "an empty list has no next: %v", endpoints)
	_, err = all.ServingEndpoints.ListAll(ctx)
	require.NoError(t, err)
	_, err = all.ServingEndpoints.Create(ctx, serving.CreateServingEndpoint{Name: "x"})
	require.Error(t, err, "creating is not served")

	narrow := client("jobs")
	_, err = narrow.CurrentUser.Me(ctx, iam.MeRequest{})
	require.NoError(t, err)
	_, err = narrow.Clusters.ListAll(ctx, compute.ListClustersRequest{})
	require.ErrorIs(t, err, apierr.ErrPermissionDenied)
	require.ErrorContains(t, err, "does not have required scopes: clusters")

	// A service principal, by its own policy.
	spID, applicationID, err := w.AddServicePrincipal("trainer")
	require.NoError(t, err)
	_, err = w.AddPolicy(databrickstest.Policy{ServicePrincipalID: spID, Issuer: issuerURL, Subject: ada, JWKS: keySet(signer)})
	require.NoError(t, err)
	cfg := fixed(server.URL)
	cfg.AuthType, cfg.OIDCTokenFilepath, cfg.ClientID, cfg.Scopes = "file-oidc", file, applicationID, []string{"sql"}
	bot, err := sdk.NewWorkspaceClient(cfg)
	require.NoError(t, err)
	me, err = bot.CurrentUser.Me(ctx, iam.MeRequest{})
	require.NoError(t, err)
	require.Equal(t, applicationID, me.UserName)
	require.Equal(t, "trainer", me.DisplayName)
}
