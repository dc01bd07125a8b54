package databrickstest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// federationPolicy is a policy on the wire. Of what a client sends, only
// Description, OIDC and Name are looked at.
type federationPolicy struct {
	Name               string      `json:"name,omitempty"`
	PolicyID           string      `json:"policy_id,omitempty"`
	UID                string      `json:"uid,omitempty"`
	Description        string      `json:"description,omitempty"`
	ServicePrincipalID int64       `json:"service_principal_id,omitempty"`
	CreateTime         string      `json:"create_time,omitempty"`
	UpdateTime         string      `json:"update_time,omitempty"`
	OIDC               *oidcPolicy `json:"oidc_policy,omitempty"`
}

func (w *Workspace) wire(p *policy) federationPolicy {
	shown := p.oidc
	out := federationPolicy{
		Name: w.policyName(p.owner, p.id), PolicyID: p.id, UID: p.uid, Description: p.description, OIDC: &shown,
		CreateTime: p.created.UTC().Format(time.RFC3339Nano), UpdateTime: p.updated.UTC().Format(time.RFC3339Nano),
	}
	if p.owner != "" {
		out.ServicePrincipalID, _ = strconv.ParseInt(p.owner, 10, 64) // ids are numbers that directory.add made
	}
	return out
}

func (w *Workspace) policyName(owner, id string) string {
	if owner == "" {
		return "accounts/" + w.accountID + "/federationPolicies/" + id
	}
	return "accounts/" + w.accountID + "/servicePrincipals/" + owner + "/federationPolicies/" + id
}

// policyOwner reads whose policies the path is about: empty for the account's
// own. It answers 404 if there is no such service principal. The caller holds
// the lock.
func (w *Workspace) policyOwner(a *answer, r *http.Request) (string, bool) {
	owner := r.PathValue("sp")
	if owner != "" && w.directory.find(kindServicePrincipal, owner) == nil {
		a.apiError(http.StatusNotFound, codeNotFound, "there is no service principal with this id (the path takes the numeric id, not the application id)")
		return "", false
	}
	return owner, true
}

func (w *Workspace) listPolicies(a *answer, r *http.Request) {
	size, okSize := positive(r.URL.Query().Get("page_size"), maxPage)
	from, okFrom := positive(r.URL.Query().Get("page_token"), 0)
	if !okSize || !okFrom || size == 0 {
		a.apiError(http.StatusBadRequest, codeBadParameter, "page_size or page_token is not one of ours")
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	owner, ok := w.policyOwner(a, r)
	if !ok {
		return
	}
	all := w.policies.of(owner)
	from = min(from, len(all))
	to := min(from+size, len(all))
	body := map[string]any{}
	var page []federationPolicy
	for _, p := range all[from:to] {
		page = append(page, w.wire(p))
	}
	if len(page) > 0 {
		body["policies"] = page
	}
	if to < len(all) {
		body["next_page_token"] = strconv.Itoa(to)
	}
	a.json(http.StatusOK, body)
}

func (w *Workspace) createPolicy(a *answer, r *http.Request) {
	var body federationPolicy
	if !a.readJSON(r, &body) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	owner, ok := w.policyOwner(a, r)
	if !ok {
		return
	}
	id := r.URL.Query().Get("policy_id")
	if body.Name != "" && body.Name != w.policyName(owner, id) {
		a.apiError(http.StatusBadRequest, codeBadParameter, "name does not match the URL")
		return
	}
	created, err := w.newPolicy(owner, id, body)
	var full *quotaError
	var taken *conflictError
	switch {
	case errors.As(err, &full):
		a.apiError(http.StatusBadRequest, codeTooMany, err.Error())
	case errors.As(err, &taken):
		a.apiError(http.StatusConflict, codeExists, err.Error())
	case err != nil:
		a.apiError(http.StatusBadRequest, codeBadParameter, err.Error())
	default:
		a.json(http.StatusOK, w.wire(created))
	}
}

// quotaError says that a service principal has all the policies it can have.
type quotaError struct{}

func (*quotaError) Error() string {
	return fmt.Sprintf("a service principal can have at most %d federation policies", maxPrincipalPolicies)
}

// newPolicy validates and stores a policy. The caller holds the lock.
func (w *Workspace) newPolicy(owner, id string, body federationPolicy) (*policy, error) {
	if id == "" {
		id = uuid.NewString()
	}
	if body.OIDC == nil {
		return nil, errors.New("oidc_policy is missing")
	}
	now := w.now()
	p := &policy{owner: owner, id: id, uid: uuid.NewString(), description: body.Description, created: now, updated: now, oidc: *body.OIDC}
	if err := p.validate(); err != nil {
		return nil, err
	}
	if w.policies.index(owner, id) >= 0 {
		return nil, &conflictError{"policy_id " + id}
	}
	if owner != "" && len(w.policies.of(owner)) >= maxPrincipalPolicies {
		return nil, &quotaError{}
	}
	w.policies = append(w.policies, p)
	return p, nil
}

// withPolicy runs f on the index of the policy that the path names, under the
// lock.
func (w *Workspace) withPolicy(a *answer, r *http.Request, f func(i int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	owner, ok := w.policyOwner(a, r)
	if !ok {
		return
	}
	i := w.policies.index(owner, r.PathValue("policy"))
	if i < 0 {
		a.apiError(http.StatusNotFound, codeNotFound, "there is no federation policy with this id")
		return
	}
	f(i)
}

func (w *Workspace) readPolicy(a *answer, r *http.Request) {
	w.withPolicy(a, r, func(i int) { a.json(http.StatusOK, w.wire(w.policies[i])) })
}

func (w *Workspace) deletePolicy(a *answer, r *http.Request) {
	w.withPolicy(a, r, func(i int) {
		w.policies = slices.Delete(slices.Clone(w.policies), i, i+1)
		a.json(http.StatusOK, map[string]any{})
	})
}

func (w *Workspace) updatePolicy(a *answer, r *http.Request) {
	var body federationPolicy
	if !a.readJSON(r, &body) {
		return
	}
	w.withPolicy(a, r, func(i int) {
		next := *w.policies[i]
		if body.Name != "" && body.Name != w.policyName(next.owner, next.id) {
			a.apiError(http.StatusBadRequest, codeBadParameter, "name does not match the URL")
			return
		}
		err := next.merge(body, r.URL.Query().Get("update_mask"))
		if err == nil {
			err = next.validate()
		}
		if err != nil {
			a.apiError(http.StatusBadRequest, codeBadParameter, err.Error())
			return
		}
		next.updated = w.now()
		w.policies[i] = &next
		a.json(http.StatusOK, w.wire(&next))
	})
}

// merge writes into p what an update asks for. "The special value '*' indicates
// that all fields should be updated (full replacement). If unspecified, all
// fields that are set in the policy provided in the update request will
// overwrite the corresponding fields in the existing policy."
func (p *policy) merge(body federationPolicy, mask string) error {
	sent := oidcPolicy{}
	if body.OIDC != nil {
		sent = *body.OIDC
	}
	fields := map[string]struct {
		set   bool
		write func()
	}{
		"description":               {body.Description != "", func() { p.description = body.Description }},
		"oidc_policy.issuer":        {sent.Issuer != "", func() { p.oidc.Issuer = sent.Issuer }},
		"oidc_policy.audiences":     {len(sent.Audiences) > 0, func() { p.oidc.Audiences = sent.Audiences }},
		"oidc_policy.subject":       {sent.Subject != "", func() { p.oidc.Subject = sent.Subject }},
		"oidc_policy.subject_claim": {sent.SubjectClaim != "", func() { p.oidc.SubjectClaim = sent.SubjectClaim }},
		"oidc_policy.jwks_json":     {sent.JWKSJSON != "", func() { p.oidc.JWKSJSON = sent.JWKSJSON }},
		"oidc_policy.jwks_uri":      {sent.JWKSURI != "", func() { p.oidc.JWKSURI = sent.JWKSURI }},
	}
	switch mask {
	case "*":
		p.description, p.oidc = body.Description, sent
		return nil
	case "":
		for _, f := range fields {
			if f.set {
				f.write()
			}
		}
		return nil
	}
	for name := range strings.SplitSeq(mask, ",") {
		if name == "oidc_policy" {
			p.oidc = sent
			continue
		}
		f, ok := fields[name]
		if !ok {
			return fmt.Errorf("update_mask names %.60q, which is no field that can be updated", name)
		}
		f.write()
	}
	return nil
}
