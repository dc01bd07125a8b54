package databrickstest

import (
	"errors"
	"strconv"
)

// AddUser does what creating a user over SCIM does and returns the user's id.
func (w *Workspace) AddUser(userName string) (id string, err error) {
	return w.addResource(&resource{kind: kindUser, userName: userName, active: true})
}

// AddServicePrincipal does what creating a service principal over SCIM does. The
// id is what policies belong to, the application id what a token request calls
// client_id.
func (w *Workspace) AddServicePrincipal(displayName string) (id, applicationID string, err error) {
	sp := &resource{kind: kindServicePrincipal, displayName: displayName, active: true}
	id, err = w.addResource(sp)
	return id, sp.applicationID, err
}

func (w *Workspace) addResource(r *resource) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.directory.add(r); err != nil {
		return "", errors.New("databrickstest: " + err.Error())
	}
	return r.id, nil
}

// Policy is a federation policy for [Workspace.AddPolicy].
type Policy struct {
	// ServicePrincipalID makes it a policy of that service principal. Empty means
	// account-wide.
	ServicePrincipalID string
	// Issuer is required.
	Issuer string
	// Audiences empty means the account id.
	Audiences []string
	// Subject is required for a service principal and forbidden for the account.
	Subject string
	// SubjectClaim empty means sub.
	SubjectClaim string
	// JWKS is a JWK Set. Nil means that the keys are fetched from JWKSURI or, if
	// that is empty too, from where the issuer's discovery document says.
	JWKS    []byte
	JWKSURI string
}

// AddPolicy does what creating a federation policy over the REST API does and
// returns the policy's id.
func (w *Workspace) AddPolicy(p Policy) (id string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.ServicePrincipalID != "" && w.directory.find(kindServicePrincipal, p.ServicePrincipalID) == nil {
		return "", errors.New("databrickstest: there is no service principal " + strconv.Quote(p.ServicePrincipalID))
	}
	created, err := w.newPolicy(p.ServicePrincipalID, "", federationPolicy{OIDC: &oidcPolicy{
		Issuer: p.Issuer, Audiences: p.Audiences, Subject: p.Subject, SubjectClaim: p.SubjectClaim,
		JWKSJSON: string(p.JWKS), JWKSURI: p.JWKSURI,
	}})
	if err != nil {
		return "", errors.New("databrickstest: " + err.Error())
	}
	return created.id, nil
}
