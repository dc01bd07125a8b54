package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/lakekey/lakekey/fido"
)

// visitor is the person whose browser sends a request.
type visitor struct {
	Session

	User  fido.User
	Admin bool
}

// visitor returns who has signed in, or one of the errors of Session. It asks
// the store each time: a key that was revoked a moment ago opens no page.
func (s *Site) visitor(w http.ResponseWriter, r *http.Request) (*visitor, error) {
	session, err := s.Session(r)
	if err != nil {
		return nil, err
	}
	user, err := s.rp.User(r.Context(), session.UserHandle)
	if err != nil {
		return nil, err
	}
	if s.cfg.Now().Sub(session.Seen) >= seenGrain {
		if err := s.keep(w, r, *session); err != nil {
			return nil, err
		}
	}
	return &visitor{Session: *session, User: user, Admin: slices.Contains(user.Groups, s.cfg.AdminGroup)}, nil
}

// signedOut reports whether err means that somebody has to sign in (again).
func signedOut(err error) bool {
	for _, known := range []error{fido.ErrNotFound, fido.ErrPending, fido.ErrQuarantined, fido.ErrRevoked, fido.ErrBlocked} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, refused := errors.AsType[*fido.PolicyError](err)
	return refused
}

// acting is the handler of a page or an API call by somebody who has signed in.
type acting func(http.ResponseWriter, *http.Request, *visitor)

// page shows a page to somebody who has signed in, and sends others to do so.
func (s *Site) page(h acting) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visitor(w, r)
		switch {
		case err == nil:
			h(w, r, v)
		case signedOut(err):
			http.Redirect(w, r, s.cfg.Prefix+"/signin?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			s.broken(w, r, err)
		}
	}
}

func (s *Site) adminPage(h acting) http.HandlerFunc {
	return s.page(func(w http.ResponseWriter, r *http.Request, v *visitor) {
		if !v.Admin {
			s.message(w, r, http.StatusForbidden, "For administrators", fmt.Sprintf(
				"You are signed in as %s, who is not in the group %q. Ask an administrator to do this for you.", v.User.Name, s.cfg.AdminGroup))
			return
		}
		h(w, r, v)
	})
}

// person is page for an API call.
func (s *Site) person(h acting) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visitor(w, r)
		switch {
		case err == nil:
			h(w, r, v)
		case signedOut(err):
			refuse(w, http.StatusUnauthorized, "signed_out", "you are not signed in any more; sign in and try again")
		default:
			s.refuseError(w, r, err)
		}
	}
}

// confirmed is person for what a stolen session must not be enough for: the
// person has used a key for it within the last minutes.
func (s *Site) confirmed(h acting) http.HandlerFunc {
	return s.person(func(w http.ResponseWriter, r *http.Request, v *visitor) {
		if s.fresh(v.SteppedUp) {
			h(w, r, v)
			return
		}
		refuse(w, http.StatusForbidden, "step_up_required", "confirm with your key that it is you")
	})
}

// fresh reports whether a ceremony at t still covers what needs one. The clock of
// the replica that saw it may be ahead of ours; it was a replica that wrote t.
func (s *Site) fresh(t time.Time) bool {
	return s.cfg.Now().Sub(t).Abs() < stepUpLifetime
}

func (s *Site) admin(h acting) http.HandlerFunc {
	return s.confirmed(func(w http.ResponseWriter, r *http.Request, v *visitor) {
		if !v.Admin {
			refuse(w, http.StatusForbidden, "not_admin", "only administrators may do that")
			return
		}
		h(w, r, v)
	})
}

// act says that the visitor does something.
func (s *Site) act(r *http.Request, v *visitor, rationale string) fido.Act {
	return fido.Act{By: v.User.Name, Rationale: rationale, RemoteAddr: s.remote(r)}
}

// broken shows a page about an error of ours.
func (s *Site) broken(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Logger.ErrorContext(r.Context(), "a page could not be made", "path", r.URL.Path, "error", err)
	s.message(w, r, http.StatusInternalServerError, "That did not work", "Something on this server failed. Try again in a minute, and tell an administrator if it stays so.")
}
