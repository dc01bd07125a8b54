package metadata

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/lakekey/lakekey/oidc"
)

const (
	// freshEvery is how often KeepFresh looks. It is well below the last minute of
	// a token, in which sources renew it ahead, and it is what a machine that wakes
	// up is behind at most.
	freshEvery = 15 * time.Second

	// checkEvery is how often a source that can is asked whether its token still
	// counts, if a tool got it since.
	checkEvery = time.Minute

	// retryEvery is how often a GET that waits asks its source again. A source
	// that has just failed says so from memory.
	retryEvery = 200 * time.Millisecond

	// promptEvery is how often a person is told the same.
	promptEvery = 5 * time.Minute
)

// KeepFresh asks each source for its token again and again, so that it renews
// what is about to end before a tool has to wait for it. It returns when ctx
// ends. Sources never wake a key, and so this never does.
//
// A source that has a method Check(context.Context) error, as
// databricks.TokenSource has, is also told once a minute, while tools use it, to
// find out whether its token was revoked: tools see a 401 and tell nobody.
func (s *Server) KeepFresh(ctx context.Context) {
	ticker := time.NewTicker(freshEvery)
	defer ticker.Stop()
	for {
		s.mu.RLock()
		routes := s.routes[:len(s.routes):len(s.routes)]
		s.mu.RUnlock()
		for _, r := range routes {
			asking, cancel := context.WithTimeout(ctx, s.options.Timeout)
			_, err := r.source.Token(asking) // who asks for it hears what is wrong
			if err == nil {
				r.recheck(asking)
			}
			cancel()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// checker is a Source that can find out whether its token still counts, and
// forgets it if not.
type checker interface{ Check(context.Context) error }

// recheck has the source check its token, and replace it if need be.
func (rt *route) recheck(ctx context.Context) {
	source, ok := rt.source.(checker)
	since := time.Since(rt.checked)
	if !ok || since >= 0 && since < checkEvery || !rt.asked.Swap(false) {
		return
	}
	rt.checked = time.Now()
	if source.Check(ctx) == nil {
		_, _ = rt.source.Token(ctx)
	}
}

// token asks the source, and while what is wrong may pass, asks again until ctx
// ends: a tool that gets a refusal gives up for good.
func token(ctx context.Context, source Source) (*oidc.Token, error) {
	var last error
	for {
		token, err := source.Token(ctx)
		if err == nil {
			return token, nil
		}
		if last == nil || ctx.Err() == nil {
			last = err // and not that ctx ended, while there is more to say
		}
		if !passing(err) {
			return nil, last
		}
		timer := time.NewTimer(retryEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, last
		case <-timer.C:
		}
	}
}

// lasting is an error of a source that says the same until somebody mends
// something.
type lasting interface {
	error
	Lasting() bool
}

// passing reports whether err may be gone in a moment: what neither a person nor
// an admin has to mend.
func passing(err error) bool {
	if login, ok := errors.AsType[*oidc.LoginRequiredError](err); ok && login != nil {
		return false
	}
	if refused, ok := errors.AsType[*oidc.ExchangeError](err); ok {
		return refused.Status >= 500 || refused.Status == http.StatusTooManyRequests
	}
	if l, ok := errors.AsType[lasting](err); ok {
		return !l.Lasting()
	}
	return true
}

// prompt tells the person that a tool waits for a sign-in, if that was not said
// just now. It does not keep the tool waiting.
func (s *Server) prompt(host string) {
	if s.options.Prompt == nil {
		return
	}
	s.mu.Lock()
	now := time.Now().Round(0) // the wall clock: the monotonic one sleeps with the machine
	since := now.Sub(s.prompted)
	due := s.prompted.IsZero() || since >= promptEvery || since < 0
	if due {
		s.prompted = now
	}
	s.mu.Unlock()
	if due {
		go s.options.Prompt(host)
	}
}

// served forgets that the person was told: the next time is news.
func (s *Server) served() {
	s.mu.RLock()
	told := !s.prompted.IsZero()
	s.mu.RUnlock()
	if told {
		s.mu.Lock()
		s.prompted = time.Time{}
		s.mu.Unlock()
	}
}
