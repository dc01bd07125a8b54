package web

import (
	"net/http"
	"slices"
	"time"
)

// Guard returns h behind what stands before the site's own pages: requests to
// another host, from another site, with too large a body, or too many from one
// address are refused, and answers carry the same headers. It is for pages that
// another package makes with [Site.Ask] and [Site.Say].
func (s *Site) Guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || s.Unhurried(w, r) {
				h.ServeHTTP(w, r)
			}
		}), w, r)
	})
}

// Unhurried counts a request against the address that it comes from. If that
// has sent too many it answers the request with 429, slow_down and a
// Retry-After, and reports false.
func (s *Site) Unhurried(w http.ResponseWriter, r *http.Request) bool { return s.unhurried(w, r) }

// Serves reports whether the site is at an origin, such as https://HOST: requests
// to any other are refused.
func (s *Site) Serves(origin string) bool { return slices.Contains(s.cfg.Origins, origin) }

// Remote is the address that a request comes from, as [Config.TrustedProxies]
// lets it be known.
func (s *Site) Remote(r *http.Request) string { return s.remote(r) }

// Say shows a page that only says something.
func (s *Site) Say(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	s.headers(w.Header())
	s.message(w, r, status, title, text)
}

// Question is a page with a small form. What people answer is sent to Action as
// application/x-www-form-urlencoded, without any script.
type Question struct {
	Title  string
	Text   string
	Wrong  string // what was wrong with the answer before this one; empty: nothing
	Facts  []Fact
	Fields []Field
	Action string // a path of this site
	Button string // what it says on it
	Cancel string // where a link leads that declines; empty: there is none
}

// Fact is something that a person should know before they answer or touch a key.
type Fact struct{ Name, Value string }

// Field is what a person types, or what comes along unseen.
type Field struct {
	Name, Value string
	Label       string // empty: the field is hidden
	Help        string
	Mode        string // the inputmode of HTML: which keyboard a phone shows
}

// Ask shows a page with a question.
func (s *Site) Ask(w http.ResponseWriter, r *http.Request, q Question) {
	s.headers(w.Header())
	status := http.StatusOK
	if q.Wrong != "" {
		status = http.StatusBadRequest
	}
	s.render(w, r, status, "ask", view{Title: q.Title, Data: q})
}

// SignOut ends the session in this browser, see [Site.Session].
func (s *Site) SignOut(w http.ResponseWriter, r *http.Request) {
	if origin := s.origin(r); origin != "" {
		s.cookie(w, origin, "", time.Unix(0, 0))
	}
}
