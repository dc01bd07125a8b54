package postgresdb_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgresdb"
)

func TestAnotherMachineIsVerified(t *testing.T) {
	for address, want := range map[string]struct{ tls, verified bool }{
		"postgres://u@db.example.com/lakekey":                     {true, true},
		"postgresql://u:p@192.0.2.1:5433/lakekey":                 {true, true},
		"postgres://u@localhost,db.example.com/lakekey":           {true, true},
		"postgres://u@db.example.com/lakekey?sslmode=verify-full": {true, true},
		"postgres://u@db.example.com/lakekey?sslmode=disable":     {false, false}, // in so many words
		"postgres://u@/lakekey?host=/run/postgresql":              {false, false},
		"postgres://u@127.0.0.1/lakekey?sslmode=disable":          {false, false},
		"postgres://u@[::1]/lakekey?sslmode=disable":              {false, false},
	} {
		tls, verified, _, params, conns, err := postgresdb.Parse(address)
		require.NoError(t, err, address)
		require.Equal(t, want.tls, tls, address)
		require.Equal(t, want.verified, verified, address)
		require.Equal(t, 6, conns)
		require.Equal(t, "15s", params["statement_timeout"])
	}
}

func TestAddressSetsWhatItNames(t *testing.T) {
	_, _, host, params, conns, err := postgresdb.Parse("postgres://u@/lakekey?host=/run/x&statement_timeout=3s&pool_max_conns=40&application_name=idp&search_path=keys")
	require.NoError(t, err)
	require.Equal(t, "/run/x", host)
	require.Equal(t, 40, conns)
	require.Equal(t, map[string]string{
		"statement_timeout": "3s", "application_name": "idp", "search_path": "keys",
		"lock_timeout": "10s", "idle_in_transaction_session_timeout": "60s",
	}, params)
}

func TestBadAddressesSayWhy(t *testing.T) {
	for address, why := range map[string]string{
		"":                                       "postgres://USER@HOST",
		"mysql://u:hunter2@h/d":                  "postgres://USER@HOST",
		"postgres://u:hunter2%@h/d":              "%XX",
		"postgres://u:hunter2@h:port/d":          "postgres://USER@HOST",
		"postgres://u:hunter2@h:1,h:x/d":         "postgres://USER@HOST",
		"postgres://u:hunter2@h/d?sslmode=hm":    "sslmode",
		"postgres://u@h/d?pool_max_conns=none":   "pool_max_conns",
		"postgres://u@h/d?pool_max_conns=0":      "pool_max_conns",
		"postgres://u@h/d?connect_timeout=later": "connect_timeout",
	} {
		_, _, _, _, _, err := postgresdb.Parse(address)
		require.ErrorContains(t, err, "postgresdb: ", address)
		require.ErrorContains(t, err, why, address)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// A password is never repeated, however broken the address around it is.
func FuzzAddress(f *testing.F) {
	const password = "c0rrect-h0rse"
	for _, seed := range [][2]string{
		{"postgres://u:", "@h/d"},
		{"postgres://u:%", "@h:99999999/d?sslmode=x"},
		{"postgres://u@h/d?password=", "&sslcert=/nowhere&connect_timeout=x"},
		{"host=h password=", " port=x"},
		{"postgres://", "@[::1/d"},
		{"postgres://u@h/d?passfile=", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		_, _, _, _, conns, err := postgresdb.Parse(before + password + after)
		if err != nil && strings.Contains(err.Error(), password) {
			t.Fatalf("the error repeats the password: %v", err)
		}
		if err == nil && conns < 1 {
			t.Fatalf("%d connections", conns)
		}
	})
}
