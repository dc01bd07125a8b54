package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

// Visit is a sign-in that another package asks for: an OpenID provider, say, in
// the middle of an authorization request. See [Site.SignIn].
type Visit interface {
	// Prompt says what the page asks. It is called for every request; r is the
	// one for the page or for a step of its ceremony, with the same URL. A
	// *Refusal is shown to the person.
	Prompt(r *http.Request) (Prompt, error)

	// SignedIn is called once the person has proved who they are, and returns
	// where the browser goes next: a path of this site or any URL. The answer is
	// JSON and is written by the caller; w is there for cookies. A *Refusal is
	// shown to the person.
	SignedIn(w http.ResponseWriter, r *http.Request, proof *fido.Proof) (location string, err error)
}

// Prompt is what a sign-in page says and asks for. Its zero value is a plain
// sign-in.
type Prompt struct {
	Title    string       // the heading; empty: "Sign in"
	Text     string       // who wants to know, and what for
	Facts    []Fact       // what to look at before touching a key
	Cancel   string       // where a link leads that declines; empty: there is none
	UserName string       // who is asked; empty: whoever has a key
	Suggest  string       // a name that may be changed, where nobody in particular is asked
	Purpose  fido.Purpose // PurposeSignIn, also when empty, or PurposeStepUp, which needs a UserName
}

// Refusal is an error that a [Visit] has the page tell the person.
type Refusal struct {
	Status      int    // of the answer, such as http.StatusGone
	Code        string // for programs, such as "request_expired"
	Description string // for people: what happened, and what to do
}

func (e *Refusal) Error() string { return "web: " + e.Code + ": " + e.Description }

// SignIn returns the handler of a page that signs a person in and then hands the
// proof to v. It serves one path, wherever it is mounted, whose query stays the
// same in all its requests:
//
//	GET  PATH?QUERY                                        the page
//	POST PATH?QUERY {"step":"options", "user"}             → {"ceremony", "options"}
//	POST PATH?QUERY {"step":"finish", "ceremony", "response"} → {"location"}
//
// options is a PublicKeyCredentialRequestOptionsJSON, response an
// AuthenticationResponseJSON. The person has then signed in on this site, too.
func (s *Site) SignIn(v Visit) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.signIn(v, w, r) }), w, r)
	})
}

func (s *Site) signIn(v Visit, w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		prompt, err := v.Prompt(r)
		if refusal, ok := errors.AsType[*Refusal](err); ok {
			s.message(w, r, refusal.Status, "This sign-in cannot go on", refusal.Description)
			return
		} else if err != nil {
			s.broken(w, r, err)
			return
		}
		s.render(w, r, http.StatusOK, "signin", view{Title: orElse(prompt.Title, "Sign in"), Data: prompt})
	case http.MethodPost:
		s.signInStep(v, w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		refuse(w, http.StatusMethodNotAllowed, "invalid_request", "a sign-in takes GET and POST")
	}
}

// step is the body of a step of a ceremony.
type step struct {
	Step     string          `json:"step"`
	User     string          `json:"user"`
	Ceremony string          `json:"ceremony"`
	Response json.RawMessage `json:"response"`
}

func (s *Site) signInStep(v Visit, w http.ResponseWriter, r *http.Request) {
	var in step
	if !s.unhurried(w, r) || !read(w, r, &in) {
		return
	}
	prompt, err := v.Prompt(r)
	if err != nil {
		s.refuseError(w, r, err)
		return
	}
	switch in.Step {
	case "options":
		req := fido.SignInRequest{Purpose: prompt.Purpose, UserName: orElse(prompt.UserName, strings.TrimSpace(in.User)), RemoteAddr: s.remote(r), UserAgent: userAgent(r)}
		s.begin(w, r, req)
	case "finish":
		proof, err := s.rp.FinishSignIn(r.Context(), secret.New(in.Ceremony), prompt.Purpose, in.Response)
		if err != nil {
			s.refuseError(w, r, err)
			return
		}
		session := Session{UserHandle: proof.User.Handle, CredentialID: proof.CredentialID, UserVerified: proof.UserVerified, At: proof.At}
		if prompt.Purpose == fido.PurposeStepUp {
			session.SteppedUp = proof.At
		}
		if err := s.keep(w, r, session); err != nil {
			s.refuseError(w, r, err)
			return
		}
		location, err := v.SignedIn(w, r, proof)
		if err != nil {
			s.refuseError(w, r, err)
			return
		}
		answer(w, http.StatusOK, map[string]string{"location": location})
	default:
		refuse(w, http.StatusBadRequest, "invalid_request", `step must be "options" or "finish"`)
	}
}

// optionsSize is what the answers that hold request options are padded to: ten
// keys' worth. A made-up account and a real one then look the same from outside.
const optionsSize = 4 << 10

// begin answers with the options of a sign-in or a step-up.
func (s *Site) begin(w http.ResponseWriter, r *http.Request, req fido.SignInRequest) {
	if req.UserName != "" {
		if wait := s.limiter.account(req.UserName, req.RemoteAddr); wait > 0 {
			slowDown(w, wait)
			return
		}
	}
	c, err := s.rp.BeginSignIn(r.Context(), req)
	if err != nil {
		s.refuseError(w, r, err)
		return
	}
	answerPadded(w, http.StatusOK, map[string]any{"ceremony": c.ID.Reveal(), "options": c.Options}, optionsSize)
}

// unhurried counts a request against the address it comes from, or refuses it.
func (s *Site) unhurried(w http.ResponseWriter, r *http.Request) bool {
	wait := s.limiter.address(s.remote(r))
	if wait > 0 {
		slowDown(w, wait)
	}
	return wait == 0
}

func slowDown(w http.ResponseWriter, wait time.Duration) {
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", seconds)
	refuse(w, http.StatusTooManyRequests, "slow_down", "too many attempts; wait "+seconds+" seconds and try again")
}

// stepUp has the visitor confirm something with a key of theirs.
func (s *Site) stepUp(w http.ResponseWriter, r *http.Request) {
	s.person(func(w http.ResponseWriter, r *http.Request, v *visitor) {
		var in step
		if !s.unhurried(w, r) || !read(w, r, &in) {
			return
		}
		switch in.Step {
		case "options":
			s.begin(w, r, fido.SignInRequest{Purpose: fido.PurposeStepUp, UserName: v.User.Name, RemoteAddr: s.remote(r), UserAgent: userAgent(r)})
		case "finish":
			proof, err := s.rp.FinishSignIn(r.Context(), secret.New(in.Ceremony), fido.PurposeStepUp, in.Response)
			if err != nil {
				s.refuseError(w, r, err)
				return
			}
			if !bytes.Equal(proof.User.Handle, v.UserHandle) {
				refuse(w, http.StatusForbidden, "other_person", "that was "+proof.User.Name+"'s key, and you are signed in as "+v.User.Name+"; use one of your own")
				return
			}
			v.CredentialID, v.UserVerified, v.SteppedUp = proof.CredentialID, proof.UserVerified, proof.At
			if err := s.keep(w, r, v.Session); err != nil {
				s.refuseError(w, r, err)
				return
			}
			answer(w, http.StatusOK, map[string]any{"until": proof.At.Add(stepUpLifetime)})
		default:
			refuse(w, http.StatusBadRequest, "invalid_request", `step must be "options" or "finish"`)
		}
	})(w, r)
}

// ownSignIn is the visit of somebody who comes for the site's own pages.
type ownSignIn struct{ s *Site }

func (ownSignIn) Prompt(*http.Request) (Prompt, error) { return Prompt{}, nil }

func (o ownSignIn) SignedIn(_ http.ResponseWriter, r *http.Request, _ *fido.Proof) (string, error) {
	return o.s.next(r.URL.Query().Get("next")), nil
}

// next returns where a sign-in leads: a path of this site, whatever the link
// that began it says.
func (s *Site) next(asked string) string {
	home := s.cfg.Prefix + "/keys"
	u, err := url.Parse(asked)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, s.cfg.Prefix+"/") ||
		strings.HasPrefix(u.Path, "//") || strings.ContainsAny(asked, "\\\t\r\n") {
		return home
	}
	return u.RequestURI()
}
