package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
)

const (
	pageSize   = 50
	unusedDays = 90 // after which a key deserves a look
)

// approvalsPage shows what waits for an administrator.
func (s *Site) approvalsPage(w http.ResponseWriter, r *http.Request, v *visitor) {
	data := struct {
		Pending, Held []key
		Most          int // of each
	}{Most: pageSize}
	for state, list := range map[fido.State]*[]key{fido.StatePending: &data.Pending, fido.StateQuarantined: &data.Held} {
		keys, err := s.rp.Credentials(r.Context(), fido.CredentialQuery{State: state, Limit: pageSize})
		if err == nil {
			*list, err = s.owned(r.Context(), keys, v)
		}
		if err != nil {
			s.broken(w, r, err)
			return
		}
	}
	s.render(w, r, http.StatusOK, "approvals", view{Title: "Approvals", Tab: "approvals", Who: v, Data: data})
}

// owned describes keys together with whose they are.
func (s *Site) owned(ctx context.Context, credentials []fido.Credential, v *visitor) ([]key, error) {
	names := map[string]string{}
	keys := make([]key, 0, len(credentials))
	for i := range credentials {
		c := &credentials[i]
		name, ok := names[string(c.UserHandle)]
		if !ok {
			user, err := s.rp.User(ctx, c.UserHandle)
			if err != nil {
				return nil, err
			}
			name = user.Name
			names[string(c.UserHandle)] = name
		}
		k := describe(c)
		k.Owner, k.OwnerHandle, k.Own = name, base64.RawURLEncoding.EncodeToString(c.UserHandle), bytes.Equal(c.UserHandle, v.UserHandle)
		keys = append(keys, k)
	}
	return keys, nil
}

// somebody is a person as a page shows them.
type somebody struct {
	fido.User

	ID   string
	Self bool // the visitor
}

func (v *visitor) see(u fido.User) somebody {
	return somebody{u, base64.RawURLEncoding.EncodeToString(u.Handle), bytes.Equal(u.Handle, v.UserHandle)}
}

func (s *Site) peoplePage(w http.ResponseWriter, r *http.Request, v *visitor) {
	data := struct {
		Query, More string
		People      []somebody
	}{Query: strings.TrimSpace(r.FormValue("q"))}
	users, err := s.rp.Users(r.Context(), fido.UserQuery{Prefix: data.Query, After: r.FormValue("after"), Limit: pageSize})
	if _, ok := errors.AsType[*fido.InvalidError](err); ok {
		err = nil // nobody has such a name
	}
	if err != nil {
		s.broken(w, r, err)
		return
	}
	for _, u := range users {
		data.People = append(data.People, v.see(u))
	}
	if len(users) == pageSize {
		data.More = users[len(users)-1].Name
	}
	s.render(w, r, http.StatusOK, "people", view{Title: "People", Tab: "people", Who: v, Data: data})
}

func (s *Site) personPage(w http.ResponseWriter, r *http.Request, v *visitor) {
	handle, err := base64.RawURLEncoding.DecodeString(r.PathValue("handle"))
	if err != nil {
		s.message(w, r, http.StatusNotFound, "Nobody here", "There is no such person.")
		return
	}
	ring, err := s.rp.Keyring(r.Context(), handle)
	if errors.Is(err, fido.ErrNotFound) {
		s.message(w, r, http.StatusNotFound, "Nobody here", "There is no such person.")
		return
	} else if err != nil {
		s.broken(w, r, err)
		return
	}
	keys, err := s.owned(r.Context(), ring.Credentials, v)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	data := struct {
		Person        somebody
		Keys          []key
		Usable, Codes int
	}{v.see(ring.User), keys, ring.Usable, ring.RecoveryCodes}
	s.render(w, r, http.StatusOK, "person", view{Title: ring.User.Name, Tab: "people", Who: v, Data: data})
}

func (s *Site) allKeysPage(w http.ResponseWriter, r *http.Request, v *visitor) {
	data := struct {
		State      string
		Unused     bool
		UnusedDays int
		HeldAt     string
		Keys       []key
		More       string
	}{State: r.FormValue("state"), Unused: r.FormValue("unused") != "", UnusedDays: unusedDays, HeldAt: r.FormValue("held")}
	q := fido.CredentialQuery{State: fido.State(data.State), Limit: pageSize}
	if data.Unused {
		q.UnusedSince = s.cfg.Now().AddDate(0, 0, -unusedDays)
	}
	if day, err := time.Parse(time.DateOnly, data.HeldAt); err == nil {
		q.HeldAt = day.AddDate(0, 0, 1).Add(-time.Nanosecond) // at the end of that day
	} else {
		data.HeldAt = ""
	}
	q.After, _ = base64.RawURLEncoding.DecodeString(r.FormValue("after")) // what is no ID begins at the first page
	found, err := s.rp.Credentials(r.Context(), q)
	if err == nil {
		data.Keys, err = s.owned(r.Context(), found, v)
	}
	if err != nil {
		s.broken(w, r, err)
		return
	}
	if len(data.Keys) == pageSize {
		data.More = data.Keys[pageSize-1].ID
	}
	s.render(w, r, http.StatusOK, "allkeys", view{Title: "Keys", Tab: "allkeys", Who: v, Data: data})
}

func (s *Site) invitePage(w http.ResponseWriter, r *http.Request, v *visitor) {
	s.render(w, r, http.StatusOK, "invite", view{Title: "Invite", Tab: "invite", Who: v, Data: map[string]any{
		"For": r.FormValue("user"), "Lifetime": lifetime(s.cfg.InviteLifetime), "Admins": s.cfg.AdminGroup,
	}})
}

// lifetime puts a duration as people say it.
func lifetime(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := d / unit.size; n > 0 && d%unit.size == 0 {
			if n == 1 {
				return "one " + unit.name
			}
			return strconv.Itoa(int(n)) + " " + unit.name + "s"
		}
	}
	return d.String()
}

// verdict is the body of a request by an administrator.
type verdict struct {
	Credential string  `json:"credential"`
	User       string  `json:"user"` // a handle; for an invitation, a name
	Rationale  string  `json:"rationale"`
	Groups     *string `json:"groups"` // separated by commas
}

func (s *Site) adminAct(w http.ResponseWriter, r *http.Request, v *visitor) {
	var in verdict
	if !read(w, r, &in) {
		return
	}
	in.Rationale = strings.TrimSpace(in.Rationale)
	ctx, act, what := r.Context(), s.act(r, v, in.Rationale), r.PathValue("act")
	if what == "invite" {
		s.invite(w, r, in, act)
		return
	}
	onKey := map[string]func(context.Context, []byte, fido.Act) (*fido.Credential, error){
		"approve": s.rp.Approve, "deny": s.rp.Deny, "quarantine": s.rp.Quarantine, "release": s.rp.Release, "revoke": s.rp.Revoke,
	}
	onPerson := map[string]func(context.Context, []byte, fido.Act) (fido.User, error){
		"block": s.rp.Block, "unblock": s.rp.Unblock,
		"groups": func(ctx context.Context, handle []byte, a fido.Act) (fido.User, error) {
			return s.rp.SetGroups(ctx, handle, groups(in.Groups), a)
		},
		"withdraw":       s.withdrawn(s.rp.WithdrawInvites),
		"withdraw-codes": s.withdrawn(s.rp.WithdrawRecoveryCodes),
	}
	// The verbs that lakekey leaves to people themselves need no reason; an
	// administrator always has one, and an auditor asks for it.
	if in.Rationale == "" {
		refuse(w, http.StatusBadRequest, "rationale_missing", "say why: the audit trail keeps the reason")
		return
	}
	if verb, ok := onKey[what]; ok {
		id, err := base64.RawURLEncoding.DecodeString(in.Credential)
		if err != nil || len(id) == 0 {
			refuse(w, http.StatusBadRequest, "invalid_request", "credential must be the ID of a key in base64url")
			return
		}
		c, err := verb(ctx, id, act)
		s.done(w, r, c, err)
		return
	}
	verb, ok := onPerson[what]
	handle, err := base64.RawURLEncoding.DecodeString(in.User)
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "not_found", "there is no such act")
	case err != nil || len(handle) == 0:
		refuse(w, http.StatusBadRequest, "invalid_request", "user must be the handle of a person in base64url")
	default:
		u, err := verb(ctx, handle, act)
		if err != nil {
			s.refuseError(w, r, err)
			return
		}
		answer(w, http.StatusOK, map[string]any{"user": u.Name, "groups": u.Groups, "blocked": u.Blocked != ""})
	}
}

// withdrawn returns whose invitations were withdrawn.
func (s *Site) withdrawn(withdraw func(context.Context, []byte, fido.Act) (int, error)) func(context.Context, []byte, fido.Act) (fido.User, error) {
	return func(ctx context.Context, handle []byte, a fido.Act) (fido.User, error) {
		if _, err := withdraw(ctx, handle, a); err != nil {
			return fido.User{}, err
		}
		return s.rp.User(ctx, handle)
	}
}

// invite makes an enrolment link. It stands in this answer and nowhere else.
func (s *Site) invite(w http.ResponseWriter, r *http.Request, in verdict, act fido.Act) {
	req := fido.InviteRequest{UserName: strings.TrimSpace(in.User), TTL: s.cfg.InviteLifetime, Act: act}
	if in.Groups != nil && strings.TrimSpace(*in.Groups) != "" {
		req.Groups = groups(in.Groups)
	}
	token, err := s.rp.InviteFor(r.Context(), req)
	if err != nil {
		s.refuseError(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"user": req.UserName, "link": s.origin(r) + s.cfg.Prefix + "/enroll#" + token.Reveal(), "expires": s.cfg.Now().Add(req.TTL).UTC(),
	})
}

// groups takes a list apart as people type it.
func groups(list *string) []string {
	all := []string{}
	if list == nil {
		return all
	}
	for _, g := range strings.Split(*list, ",") {
		if g = strings.TrimSpace(g); g != "" {
			all = append(all, g)
		}
	}
	return all
}
