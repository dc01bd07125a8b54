package databrickstest

import (
	"sync"
	"time"
)

// maxRecorded is how many requests are remembered; older ones are forgotten.
const maxRecorded = 10_000

// Request is what the handler remembers of one request. It holds no secret.
type Request struct {
	// Time is when the answer was complete.
	Time time.Time
	// Method and Path are the request's; no query, it may hold names.
	Method, Path string
	// UserAgent is the header as sent.
	UserAgent string
	// Principal is the user name or application id that the bearer token stands
	// for, or that a token was issued to; "admin" for the admin token; empty when
	// nobody was recognised.
	Principal string
	// Status is the HTTP status of the answer.
	Status int
	// ErrorCode is the error or error_code of the answer, empty on success.
	ErrorCode string
}

type recorder struct {
	mu       sync.Mutex
	requests []Request
}

func (r *recorder) add(req Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) >= maxRecorded {
		r.requests = append(r.requests[:0], r.requests[len(r.requests)-maxRecorded/2:]...)
	}
	r.requests = append(r.requests, req)
}

// Requests returns the latest requests, oldest first: at least the last 5,000.
func (w *Workspace) Requests() []Request {
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	return append([]Request(nil), w.record.requests...)
}
