package bench

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/postgres"
	"github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/internal/postgresdb"
	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/internal/sqlitedb"
)

const fewPeople = 1_000

// peopleEnv is how many people there are where there are many. A million take a
// minute to make.
const peopleEnv = "LAKEKEY_BENCH_PEOPLE"

func manyPeople(b *testing.B) int {
	b.Helper()
	text := os.Getenv(peopleEnv)
	if text == "" {
		b.Logf("100,000 people, not a million: set %s=1000000", peopleEnv)
		return 100_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err, peopleEnv)
	return n
}

// dialect is what bulk insertion says differently in a database.
type dialect struct {
	random string // so many random bytes, up to 48
	series string // the numbers from 1, as n
}

var (
	inSQLite   = dialect{random: "randomblob(%d)", series: "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %d) SELECT n FROM s) AS s"}
	inPostgres = dialect{random: "decode(substr(replace(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 1, 2 * %d), 'hex')", series: "generate_series(1, %d) AS n"}
)

type querier interface {
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

type execer interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
}

// others are the columns of a table beside some, separated by commas.
func others(b *testing.B, db querier, table string, some ...string) string {
	b.Helper()
	rows, err := db.QueryContext(b.Context(), "SELECT * FROM "+table+" WHERE 1 = 0")
	require.NoError(b, err)
	defer rows.Close()
	all, err := rows.Columns()
	require.NoError(b, err)
	require.NoError(b, rows.Err())
	return strings.Join(slices.DeleteFunc(all, func(c string) bool { return slices.Contains(some, c) }), ", ")
}

// fill makes n people like ana: p1@example.com and so on, with a key each. All
// keys are the same one under different IDs, so that anybody can sign in.
func (d dialect) fill(b *testing.B, q querier, tx execer, n int) {
	b.Helper()
	random := func(bytes int) string { return fmt.Sprintf(d.random, bytes) }
	users := others(b, q, "fido_users", "handle", "key", "name")
	_, err := tx.ExecContext(b.Context(), "INSERT INTO fido_users (handle, key, name, "+users+") SELECT "+random(32)+", 'p' || n || '@example.com', 'p' || n || '@example.com', "+users+
		" FROM "+fmt.Sprintf(d.series, n)+", fido_users WHERE key = 'ana@example.com'")
	require.NoError(b, err)
	keys := others(b, q, "fido_credentials", "number", "id", "user_handle")
	_, err = tx.ExecContext(b.Context(), "INSERT INTO fido_credentials (id, user_handle, "+keys+") SELECT "+random(48)+", u.handle, "+"t."+strings.ReplaceAll(keys, ", ", ", t.")+
		" FROM fido_users AS u, (SELECT * FROM fido_credentials) AS t WHERE u.key <> 'ana@example.com'")
	require.NoError(b, err)
}

// crowd is a relying party with so many people, some of whom sign in.
type crowd struct {
	rp   *fido.RelyingParty
	some []*signer
	name []string
}

func newCrowd(b *testing.B, store fido.Store, ana *signer, n int) *crowd {
	b.Helper()
	c := &crowd{rp: signInParty(b, store, nil)}
	for range 500 {
		name := fmt.Sprintf("p%d@example.com", 1+rand.N(n))
		u, err := store.UserByKey(b.Context(), name)
		require.NoError(b, err)
		keys, err := store.Credentials(b.Context(), u.Handle)
		require.NoError(b, err)
		require.Len(b, keys, 1)
		c.some = append(c.some, &signer{key: ana.key, id: keys[0].ID, handle: u.Handle})
		c.name = append(c.name, name)
	}
	return c
}

// signIn signs the next person in and returns how long the relying party took.
func (c *crowd) signIn(b *testing.B, n int) time.Duration {
	key := c.some[n%len(c.some)]
	key.count = uint32(n) // one above the last time's
	start := time.Now()
	ceremony, err := c.rp.BeginSignIn(b.Context(), fido.SignInRequest{UserName: c.name[n%len(c.some)]})
	spent := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	response := key.assert(b, ceremony.Options).response
	start = time.Now()
	if _, err := c.rp.FinishSignIn(b.Context(), ceremony.ID, fido.PurposeSignIn, response); err != nil {
		b.Fatal(err)
	}
	return spent + time.Since(start)
}

func sqliteCrowd(b *testing.B, n int) *crowd {
	b.Helper()
	path := filepath.Join(b.TempDir(), "keys.db")
	store, err := sqlite.Open(b.Context(), path)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	ana := newSigner(b, store)
	db, err := sqlitedb.Open(b.Context(), path, sqlitedb.Component{Name: "bench"})
	require.NoError(b, err)
	require.NoError(b, db.Write(b.Context(), func(tx *sqlitedb.Tx) error { inSQLite.fill(b, db, tx, n); return nil }))
	_, err = db.ExecContext(b.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(b, err)
	require.NoError(b, db.Close())
	return newCrowd(b, store, ana, n)
}

func postgresCrowd(b *testing.B, server *postgrestest.Server, n int) *crowd {
	b.Helper()
	address := server.URL(b)
	store, err := postgres.Open(b.Context(), address)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	ana := newSigner(b, store)
	// A replica does not check what it is told: a million foreign keys here.
	db, err := postgresdb.Open(b.Context(), address+"&statement_timeout=0&session_replication_role=replica", postgresdb.Component{Name: "bench"})
	require.NoError(b, err)
	inPostgres.fill(b, db, db, n)
	for _, tidy := range []string{"VACUUM ANALYZE", "CHECKPOINT"} { // what the server would do sooner or later, maybe meanwhile
		_, err = db.ExecContext(b.Context(), tidy)
		require.NoError(b, err)
	}
	require.NoError(b, db.Close())
	return newCrowd(b, store, ana, n)
}

// BenchmarkSignInAmongMany signs random people in, from the request for a challenge
// to the updated key, in turns where there are a thousand and where there are many
// more. The ratio is of the medians. To reach: ≤ 1.3.
func BenchmarkSignInAmongMany(b *testing.B) {
	for _, database := range []struct {
		name string
		make func(b *testing.B, people int) (few, many *crowd)
	}{
		{"sqlite", func(b *testing.B, people int) (few, many *crowd) {
			return sqliteCrowd(b, fewPeople), sqliteCrowd(b, people)
		}},
		{"postgres", func(b *testing.B, people int) (few, many *crowd) {
			server := postgrestest.Start(b, postgrestest.Options{Durable: true})
			return postgresCrowd(b, server, fewPeople), postgresCrowd(b, server, people)
		}},
	} {
		b.Run(database.name, func(b *testing.B) {
			people := manyPeople(b)
			few, many := database.make(b, people)
			var fews, manys []time.Duration
			n := 1
			for range 200 { // connections, prepared statements and caches, as in a server that has been up
				few.signIn(b, n)
				many.signIn(b, n)
				n++
			}
			for b.Loop() {
				for range 20 { // where a sign-in is slow, there are few rounds
					fews = append(fews, few.signIn(b, n))
					manys = append(manys, many.signIn(b, n))
					n++
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(median(fews).Microseconds()), "µs-among-1000")
			b.ReportMetric(float64(median(manys).Microseconds()), "µs-among-many")
			b.ReportMetric(float64(people), "people")
			b.ReportMetric(float64(median(manys))/float64(median(fews)), "x(≤1.3)")
		})
	}
}
