package databrickstest

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Fault is how the token endpoints fail when told to.
type Fault struct {
	// Status is the HTTP status. Zero means 503.
	Status int
	// RetryAfter is sent in whole seconds, rounded up. Zero sends none.
	RetryAfter time.Duration
}

// faults is what a test has scripted.
type faults struct {
	mu        sync.Mutex
	remaining int
	fault     Fault
	delay     time.Duration
}

// FailTokenRequests makes the next n requests to a token endpoint fail before
// their content is looked at. A second call replaces the first; n = 0 ends it.
func (w *Workspace) FailTokenRequests(n int, f Fault) {
	if f.Status == 0 {
		f.Status = http.StatusServiceUnavailable
	}
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.remaining, w.faults.fault = n, f
}

// Delay makes every answer wait this long, or until the client has gone. Zero
// ends it.
func (w *Workspace) Delay(d time.Duration) {
	w.faults.mu.Lock()
	defer w.faults.mu.Unlock()
	w.faults.delay = d
}

func (f *faults) wait(ctx context.Context) {
	f.mu.Lock()
	d := f.delay
	f.mu.Unlock()
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tokenFault takes one scripted failure, if any is left.
func (f *faults) tokenFault() (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.remaining <= 0 {
		return Fault{}, false
	}
	f.remaining--
	return f.fault, true
}

func (f Fault) writeTo(a *answer) {
	if f.RetryAfter > 0 {
		seconds := int64((f.RetryAfter + time.Second - 1) / time.Second)
		a.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	a.oauthError(f.Status, "temporarily_unavailable", "the token endpoint was told to fail: wait and try again")
}
