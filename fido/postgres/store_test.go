package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/fidotest"
	"github.com/lakekey/lakekey/fido/postgres"
	"github.com/lakekey/lakekey/internal/postgrestest"
)

func open(t *testing.T, address string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	fidotest.TestStore(t, func(t *testing.T) fido.Store { return open(t, postgrestest.URL(t)) })
}

// What a browser says about itself is anything; PostgreSQL takes UTF-8 only.
func TestAnyTextIsKept(t *testing.T) {
	s := open(t, postgrestest.URL(t))
	now := time.Now()
	r := fido.CeremonyRecord{ID: fido.Hash{1}, Purpose: fido.PurposeSignIn, Challenge: []byte{1}, UserAgent: "caf\xe9 \x00 é", Expires: now.Add(time.Minute)}
	require.NoError(t, s.PutCeremony(t.Context(), r, now))
	got, err := s.TakeCeremony(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, "caf\uFFFD \uFFFD é", got.UserAgent)
	_, err = s.UserByKey(t.Context(), "caf\xe9")
	require.ErrorIs(t, err, fido.ErrNotFound)
	page, err := s.ListUsers(t.Context(), fido.UserQuery{Prefix: "\x00"})
	require.NoError(t, err)
	require.Empty(t, page)
}

// One replica sweeps up what expired, whoever put it there, a part at a time.
func TestExpiredRecordsGo(t *testing.T) {
	address := postgrestest.URL(t)
	one, two := open(t, address), open(t, address)
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	put := func(s *postgres.Store, id byte, at time.Time) {
		require.NoError(t, s.PutCeremony(t.Context(), fido.CeremonyRecord{ID: fido.Hash{id}, Purpose: fido.PurposeSignIn, Challenge: []byte{id}, Expires: at.Add(time.Minute)}, at))
	}
	put(one, 1, now)
	put(two, 2, now.Add(time.Hour))
	_, err := one.TakeCeremony(t.Context(), fido.Hash{1})
	require.ErrorIs(t, err, fido.ErrNotFound)
	_, err = one.TakeCeremony(t.Context(), fido.Hash{2})
	require.NoError(t, err)
}
