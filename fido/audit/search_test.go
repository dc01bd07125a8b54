package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/sqlite"
)

func TestSearchingFindsTheNewestFirst(t *testing.T) {
	signer, _ := newSigner(t)
	file := open(t, filepath.Join(t.TempDir(), "log"), signer, audit.Options{})
	db, err := sqlite.Open(t.Context(), ":memory:")
	require.NoError(t, err)
	shared, err := audit.OpenSQL(t.Context(), db, signer, audit.Options{})
	require.NoError(t, err)
	defer shared.Close()
	const n = 3000 // more than a page of either
	for name, l := range map[string]*audit.Log{"file": file, "memory": audit.NewMemory(signer, audit.Options{}), "database": shared} {
		t.Run(name, func(t *testing.T) {
			found, err := l.Search(t.Context(), audit.Query{})
			require.NoError(t, err)
			require.Empty(t, found)
			var last *audit.Intent
			for i := range n {
				user := fmt.Sprint(i % 7)
				if i%500 == 0 { // longer than what is read at once
					user = strings.Repeat("\x01", 320)
				}
				last, err = l.Begin(t.Context(), audit.Event{Type: "a", User: user, Scope: strings.Repeat("\x02", (i%97)*10)})
				require.NoError(t, err)
			}
			numbers := func(q audit.Query) (all []uint64) {
				found, err := l.Search(t.Context(), q)
				require.NoError(t, err)
				for _, r := range found {
					all = append(all, r.Number)
				}
				return all
			}
			require.Len(t, numbers(audit.Query{}), 100)
			require.Len(t, numbers(audit.Query{Limit: 5000}), 1000)
			require.Equal(t, []uint64{n, n - 1}, numbers(audit.Query{Limit: 2}))
			require.Equal(t, []uint64{2, 1}, numbers(audit.Query{Before: 3}))
			require.Equal(t, []uint64{1}, numbers(audit.Query{Match: func(r *audit.Record) bool { return r.Number == 1 }}))
			// Page by page it is the whole log, each record once.
			want, before := uint64(n), uint64(0)
			for {
				page := numbers(audit.Query{Before: before, Limit: 997})
				for _, got := range page {
					require.Equal(t, want, got)
					want--
				}
				if len(page) < 997 {
					break
				}
				before = page[len(page)-1]
			}
			require.Zero(t, want)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = l.Search(ctx, audit.Query{})
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, last.End(t.Context(), audit.OK, audit.Event{}))
		})
	}
	require.NoError(t, file.Close())
	_, err = file.Search(t.Context(), audit.Query{})
	require.ErrorIs(t, err, audit.ErrClosed)
}

func TestSearchingSaysWhatIsNoRecord(t *testing.T) {
	signer, _ := newSigner(t)
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, signer, audit.Options{})
	for range 9 {
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "a"}))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte{b[len(b)/2] ^ 1}, int64(len(b)/2)) // whatever it was, it is another
	require.NoError(t, err)
	_, err = l.Search(t.Context(), audit.Query{})
	require.ErrorContains(t, err, "verify it")
	found, err := l.Search(t.Context(), audit.Query{Limit: 2})
	require.NoError(t, err)
	require.Len(t, found, 2)
}
