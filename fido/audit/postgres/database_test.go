package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/audittest"
	"github.com/lakekey/lakekey/fido/audit/postgres"
	"github.com/lakekey/lakekey/internal/postgrestest"
)

func open(t testing.TB, address string) *postgres.Database {
	t.Helper()
	db, err := postgres.Open(context.Background(), address)
	require.NoError(t, err)
	return db
}

func TestDatabase(t *testing.T) {
	audittest.TestDatabase(t, func(t *testing.T) func() audit.Database {
		address := postgrestest.URL(t)
		return func() audit.Database { return open(t, address) }
	})
}

// Who verifies a log may read and no more, and makes none where there is none.
func TestOpenToRead(t *testing.T) {
	address := postgrestest.URL(t)
	_, err := postgres.OpenToRead(t.Context(), address)
	require.ErrorContains(t, err, "holds no tables of audit")
	_, err = postgres.OpenToRead(t.Context(), address) // still
	require.ErrorContains(t, err, "holds no tables of audit")
	signer, vkey, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	key, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	log, err := audit.OpenSQL(t.Context(), open(t, address), signer, audit.Options{})
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), audit.Event{Type: "session.end", User: "ada@example.com"}))
	db, err := postgres.OpenToRead(t.Context(), address)
	require.NoError(t, err)
	r, err := audit.VerifySQL(t.Context(), db, key, audit.VerifyOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Records)
	require.ErrorContains(t, db.Update(t.Context(), func(tx audit.Tx) error {
		_, err := tx.ExecContext(t.Context(), "DELETE FROM audit_records")
		return err
	}), "read-only")
	require.NoError(t, db.Close())
	require.NoError(t, log.Close())
}

// The server is stopped under a log and started again. Nothing that was
// acknowledged is lost, nothing is doubled, and no act is left open.
func TestTheServerGoesAndComesBack(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	address := server.URL(t)
	signer, vkey, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	l, err := audit.OpenSQL(t.Context(), open(t, address), signer, audit.Options{})
	require.NoError(t, err)
	in, err := l.Begin(t.Context(), audit.Event{Type: "token.issue", User: "before"})
	require.NoError(t, err)

	server.Stop(t)
	require.NoError(t, in.End(t.Context(), audit.OK, audit.Event{User: "before"}))
	_, err = l.Begin(t.Context(), audit.Event{Type: "token.issue", User: "meanwhile"})
	we, ok := errors.AsType[*audit.WriteError](err)
	require.True(t, ok, "%v", err)
	require.True(t, we.Temporary)

	server.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.Eventually(t, func() bool {
		return l.Append(ctx, audit.Event{Type: "session.end", User: "after"}) == nil
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, l.Close())

	key, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	db := open(t, address)
	defer db.Close()
	seen := map[string]int{}
	report, err := audit.VerifySQL(t.Context(), db, key, audit.VerifyOptions{Each: func(r *audit.Record) error {
		seen[r.Event.User+" "+r.Phase+" "+string(r.Event.Outcome)]++
		return nil
	}})
	require.NoError(t, err)
	require.Zero(t, report.Open)
	require.Equal(t, 1, seen["before result ok"])
	require.Equal(t, seen["meanwhile intent "], seen["meanwhile result failed"])
	require.GreaterOrEqual(t, seen["after event "], 1)
}

// Four processes write one log and are killed. What they had acknowledged, on
// their standard output, is there, and the chain is one.
func TestKilledReplicas(t *testing.T) {
	if address := os.Getenv("LAKEKEY_TEST_REPLICA"); address != "" {
		replicate(t, address, os.Getenv("LAKEKEY_TEST_SIGNER"))
		return
	}
	address := postgrestest.URL(t)
	keyFile := t.TempDir() + "/key"
	_, vkey, err := audit.OpenSigner(keyFile, "idp.example.com/audit")
	require.NoError(t, err)
	acknowledged := map[string]bool{}
	for round := range 3 {
		var pipes [4]*os.File
		var killed []*exec.Cmd
		for i := range pipes {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			pipes[i] = r
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledReplicas$")
			c.Env = append(os.Environ(), "LAKEKEY_TEST_REPLICA="+address, "LAKEKEY_TEST_SIGNER="+keyFile)
			c.Stdout = w
			require.NoError(t, c.Start())
			require.NoError(t, w.Close())
			killed = append(killed, c)
		}
		for i, r := range pipes {
			for range 5 + round { // so many at least, then no more mercy
				var user string
				_, err := fmt.Fscanln(r, &user)
				require.NoError(t, err)
				acknowledged[user] = true
			}
			require.NoError(t, killed[i].Process.Kill())
			for {
				var user string
				if _, err := fmt.Fscanln(r, &user); err != nil {
					break
				}
				acknowledged[user] = true
			}
			_ = killed[i].Wait()
		}
	}
	key, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	db := open(t, address)
	defer db.Close()
	report, err := audit.VerifySQL(t.Context(), db, key, audit.VerifyOptions{Each: func(r *audit.Record) error {
		delete(acknowledged, r.Event.User)
		return nil
	}})
	require.NoError(t, err)
	require.Empty(t, acknowledged, "acknowledged and not there")
	require.GreaterOrEqual(t, report.Records, uint64(4*(5+6+7)))
}

// replicate writes until it is killed.
func replicate(t *testing.T, address, keyFile string) {
	signer, _, err := audit.OpenSigner(keyFile, "idp.example.com/audit")
	require.NoError(t, err)
	l, err := audit.OpenSQL(t.Context(), open(t, address), signer, audit.Options{})
	require.NoError(t, err)
	for n := range 1_000_000 {
		user := fmt.Sprintf("%d-%d", os.Getpid(), n)
		require.NoError(t, l.Append(t.Context(), audit.Event{Type: "session.end", User: user}))
		fmt.Println(user)
	}
}
