package mds_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// lists serves revocation lists.
type lists map[string]http.HandlerFunc

func (l lists) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := l[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	http.NotFound(w, r)
}

func der(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
}

func TestRevocation(t *testing.T) {
	served := lists{}
	server := httptest.NewServer(served)
	defer server.Close()
	ca, rogue := mdstest.New(t, mdstest.Options{CRLURL: server.URL}), mdstest.New(t, mdstest.Options{})
	from, to, now := day("2029-12-01"), day("2030-01-01"), day("2029-12-15")
	signer, intermediate := ca.CRL(t, false, false, from, to), ca.CRL(t, true, false, from, to)
	const s, i = "/signer.crl", "/intermediate.crl"
	for name, c := range map[string]struct {
		lists lists
		says  string
	}{
		"nobody is revoked":           {lists{s: der(signer), i: der(intermediate)}, ""},
		"the signer is":               {lists{s: der(ca.CRL(t, false, true, from, to)), i: der(intermediate)}, `"mds.fidoalliance.org", serial number 3, was revoked by "Metadata Test Intermediate"`},
		"the intermediate is":         {lists{s: der(signer), i: der(ca.CRL(t, true, true, from, to))}, `"Metadata Test Intermediate", serial number 2, was revoked by "Metadata Test Root"`},
		"no lists":                    {lists{}, "nobody says whether the certificate of \"mds.fidoalliance.org\" was revoked"},
		"one is missing":              {lists{s: der(signer)}, `"Metadata Test Intermediate" was revoked`},
		"of last month":               {lists{s: der(ca.CRL(t, false, false, from, now.Add(-1))), i: der(intermediate)}, "not now"},
		"of next month":               {lists{s: der(ca.CRL(t, false, false, now.Add(time.Hour), to)), i: der(intermediate)}, "not now"},
		"another authority's":         {lists{s: der(rogue.CRL(t, false, false, from, to)), i: der(intermediate)}, "is not from"},
		"the root's for the signer's": {lists{s: der(intermediate), i: der(intermediate)}, "is not from"},
		"not a list":                  {lists{s: der([]byte("no list")), i: der(intermediate)}, "cannot be read"},
		"a broken one":                {lists{s: der(signer[:len(signer)-9]), i: der(intermediate)}, "cannot be read"},
		"a huge one": {lists{s: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99999999")
			w.WriteHeader(200)
		}, i: der(intermediate)}, "more than 16777216"},
		"an error": {lists{s: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", 500) }, i: der(intermediate)}, "500"},
		"a redirect": {lists{s: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/", http.StatusFound)
		}, i: der(intermediate)}, "another origin"},
	} {
		t.Run(name, func(t *testing.T) {
			clear(served)
			for path, h := range c.lists {
				served[path] = h
			}
			blob := ca.Blob(t, due(7, "2030-01-01"))
			served["/blob"] = der(blob)
			cfg := mds.SourceConfig{URL: server.URL + "/blob", Roots: ca.Roots(), Now: func() time.Time { return now }}
			source := newSource(t, cfg)
			err := source.Refresh(t.Context())
			if c.says == "" {
				require.NoError(t, err)
				requireNumber(t, source, 7)
				return
			}
			var refused *mds.VerificationError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "revocation", refused.Check)
			require.ErrorContains(t, err, c.says)
			_, err = source.Current(t.Context())
			require.ErrorIs(t, err, mds.ErrNoMetadata)

			cfg.InsecureSkipRevocation = true
			source = newSource(t, cfg)
			require.NoError(t, source.Refresh(t.Context()))
			requireNumber(t, source, 7)
		})
	}
}

// TestRevocationUnknown: the blob in use stays when nobody can say whether the
// signer of the next was revoked.
func TestRevocationUnknown(t *testing.T) {
	served := lists{}
	server := httptest.NewServer(served)
	defer server.Close()
	c := newClock("2029-12-15")
	ca := mdstest.New(t, mdstest.Options{CRLURL: server.URL})
	publish := func(n int, at string) { served["/"] = der(ca.Blob(t, due(n, at))) }
	served["/signer.crl"], served["/intermediate.crl"] = der(ca.CRL(t, false, false, c.now(), day("2030-01-01"))), der(ca.CRL(t, true, false, c.now(), day("2031-01-01")))
	publish(7, "2030-01-01")
	s := newSource(t, mds.SourceConfig{URL: server.URL + "/", Roots: ca.Roots(), Now: c.now})
	require.NoError(t, s.Refresh(t.Context()))
	c.at.Store(day("2030-01-02").UnixNano())
	publish(8, "2030-02-01")
	require.ErrorContains(t, s.Refresh(t.Context()), "not now")
	requireNumber(t, s, 7)
	served["/signer.crl"] = der(ca.CRL(t, false, false, c.now(), day("2030-02-01")))
	c.advance(time.Hour)
	require.NoError(t, s.Refresh(t.Context()))
	requireNumber(t, s, 8)
}

func TestCertificatesWithoutLists(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	server := httptest.NewServer(der(ca.Blob(t, payload(7))))
	defer server.Close()
	s := newSource(t, mds.SourceConfig{URL: server.URL, Roots: ca.Roots()})
	require.ErrorContains(t, s.Refresh(t.Context()), "names no revocation list")
}

func TestRevocationEndsWithTheContext(t *testing.T) {
	served := lists{}
	server := httptest.NewServer(served)
	defer server.Close()
	ca := mdstest.New(t, mdstest.Options{CRLURL: server.URL})
	ctx, cancel := context.WithCancel(t.Context())
	served["/"] = der(ca.Blob(t, payload(7)))
	served["/signer.crl"] = func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }
	s := newSource(t, mds.SourceConfig{URL: server.URL + "/", Roots: ca.Roots()})
	require.ErrorIs(t, s.Refresh(ctx), context.Canceled)
}
