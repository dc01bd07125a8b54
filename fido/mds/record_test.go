package mds_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// told returns the types of the records, with what each is about.
func told(t *testing.T, log *audit.Log) (all []string) {
	t.Helper()
	var text bytes.Buffer
	_, err := log.WriteTo(&text)
	require.NoError(t, err)
	field := func(line, name string) string {
		_, rest, _ := strings.Cut(line, `"`+name+`":"`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	for line := range strings.Lines(text.String()) {
		all = append(all, strings.TrimSpace(field(line, "type")+" "+field(line, "metadata")))
	}
	return all
}

func newLog(t *testing.T) *audit.Log {
	t.Helper()
	signer, _, _, err := audit.NewSigner("example.com/audit")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	return log
}

// TestWhatBecomesOfMetadataIsRecorded goes through an outage of four months.
func TestWhatBecomesOfMetadataIsRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, p *publisher) {
		log := newLog(t)
		p.down = func(at time.Time) bool {
			return at.After(p.start.AddDate(0, 2, 10)) && at.Before(p.start.AddDate(0, 6, 10))
		}
		updates, missing := run(t, mds.SourceConfig{Audit: log}, 8*month, p)
		require.NotZero(t, missing)
		all := told(t, log)
		synctest.Wait()
		require.Equal(t, "mds.updated mds 0", all[0])
		require.Equal(t, len(updates), strings.Count(strings.Join(all, "\n"), "mds.updated"))
		var bad []string
		for _, what := range all {
			if !strings.HasPrefix(what, "mds.updated") {
				bad = append(bad, what)
			}
		}
		require.Equal(t, []string{"mds.failed mds 2", "mds.stale mds 2"}, bad, "each once, however long it lasts")
	})
}

// A log that fails keeps no metadata back.
func TestMetadataDoesNotWaitForALog(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	file := filepath.Join(t.TempDir(), "blob.jwt")
	require.NoError(t, os.WriteFile(file, ca.Blob(t, mdstest.Payload{Number: 4}), 0o600))
	signer, _, _, err := audit.NewSigner("example.com/audit")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})
	require.NoError(t, log.Close())
	s := newSource(t, mds.SourceConfig{File: file, Offline: true, Roots: ca.Roots(), Audit: log, HTTPClient: http.DefaultClient})
	b, err := s.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, b.Number)
}
