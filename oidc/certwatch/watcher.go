package certwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
)

const (
	maxDocument = 4 << 20
	fetchTime   = 15 * time.Second
)

// levels are the days left at which is warned.
var levels = []int{30, 14, 7, -1}

// Kind says what a document is.
type Kind string

// The kinds of documents.
const (
	JWKS Kind = "jwks" // a JWK Set (RFC 7517), such as the one at jwks_uri
	SAML Kind = "saml" // SAML 2.0 metadata
)

// Source is a document with certificates of an identity provider.
type Source struct {
	Name string // what people know the provider as
	URL  string
	Kind Kind
}

// Warning says that a certificate will expire soon, or has expired.
type Warning struct {
	Certificate Certificate
	Days        int  // that are left; negative: it has expired
	Successor   bool // the document has one that is good for longer
}

// String is the warning as a line for people.
func (w Warning) String() string {
	c := w.Certificate
	when := fmt.Sprintf("expires in %d days", w.Days)
	if w.Days < 0 {
		when = "has expired"
	}
	next := "no successor is published: ask its administrator for one"
	if w.Successor {
		next = "a successor is published"
	}
	return fmt.Sprintf("%s: the certificate %q (SHA-256 %.16s…) %s, on %s; %s", c.Source, c.Subject, c.SHA256, when, c.NotAfter.UTC().Format("2006-01-02"), next)
}

// Options are what may be left out.
type Options struct {
	// Warn hears each warning once; nil: nobody does.
	Warn func(context.Context, Warning)
	// Measure gets the days left of each certificate at each check, as a gauge wants
	// them; nil: nobody does.
	Measure func(c Certificate, days int)
	// Transport fetches the documents; nil means one with time limits and no proxy.
	Transport http.RoundTripper
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// Watcher looks at the certificates of its sources.
type Watcher struct {
	sources []Source
	o       Options
	client  *http.Client

	mu     sync.Mutex
	warned map[string]int // by source and certificate: how many levels it has passed
}

// New returns a Watcher of sources.
func New(sources []Source, o Options) (*Watcher, error) {
	for _, s := range sources {
		u, err := url.Parse(s.URL)
		if err == nil {
			_, err = origin.Of(u) // https, or http on loopback
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("certwatch: the URL of %q: %v", s.Name, err)
		case s.Kind != JWKS && s.Kind != SAML:
			return nil, fmt.Errorf("certwatch: the kind of %q is %q, must be %q or %q", s.Name, s.Kind, JWKS, SAML)
		}
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{TLSHandshakeTimeout: fetchTime, ResponseHeaderTimeout: fetchTime, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	client := &http.Client{Transport: o.Transport, Timeout: fetchTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Watcher{sources: slices.Clone(sources), o: o, client: client, warned: map[string]int{}}, nil
}

// Check reads every document, warns of what is due, and returns the certificates,
// those that expire first at the front. The error names each document that could not
// be read; the others were.
func (w *Watcher) Check(ctx context.Context) ([]Certificate, error) {
	var all []Certificate
	var failed error
	for _, s := range w.sources {
		found, err := w.read(ctx, s)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("certwatch: %s: %w", s.Name, err))
			continue
		}
		last := time.Time{}
		for n := range found {
			found[n].Source = s.Name
			if found[n].NotAfter.After(last) {
				last = found[n].NotAfter
			}
		}
		now := w.o.Now()
		for _, c := range found {
			days := c.DaysLeft(now)
			if w.o.Measure != nil {
				w.o.Measure(c, days)
			}
			if w.due(s.URL+" "+c.SHA256, days) && w.o.Warn != nil {
				w.o.Warn(ctx, Warning{Certificate: c, Days: days, Successor: last.After(c.NotAfter)})
			}
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	return all, failed
}

// due reports whether a level was passed since the last warning.
func (w *Watcher) due(id string, days int) bool {
	passed := 0
	for _, level := range levels {
		if days <= level {
			passed++
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.warned[id]
	w.warned[id] = max(before, passed)
	return passed > before
}

func (w *Watcher) read(ctx context.Context, s Source) ([]Certificate, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, errors.New("its URL is none")
	}
	answer, err := w.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%v", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the document: %v", err)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered %d", s.URL, answer.StatusCode)
	case len(body) > maxDocument:
		return nil, fmt.Errorf("the document is longer than %d MiB", maxDocument>>20)
	}
	if s.Kind == SAML {
		return parseSAML(body)
	}
	return parseJWKS(body)
}
