package databricks

import (
	"net/http"
	"sync"
)

// headerValues hands out the one-element slices that http.Header wants, cut from
// blocks, so that a cached token reaches a request without an allocation of its
// own. Sharing one slice among all requests would be simpler, but whoever
// overwrites a header in place (to redact it for a log, say) would then change
// the token of every other request.
type headerValues struct{ rest []string }

const headerBlock = 64

var headerPool = sync.Pool{New: func() any { return new(headerValues) }}

func setAuthorization(h http.Header, value string) {
	b := headerPool.Get().(*headerValues)
	if len(b.rest) == 0 {
		b.rest = make([]string, headerBlock)
	}
	one := b.rest[:1:1]
	b.rest = b.rest[1:]
	headerPool.Put(b)
	one[0] = value
	h["Authorization"] = one
}
