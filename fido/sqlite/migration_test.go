package sqlite_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// testdata/v1.sql is the dump of a file that was written when there was only the
// first migration: two people, three keys, an invitation and the seed.
func TestOldFileKeepsPeopleAndKeys(t *testing.T) {
	dump, err := os.ReadFile("testdata/v1.sql")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "keys.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), string(dump))
	require.NoError(t, err)
	require.NoError(t, db.Close())

	at := time.Date(2026, 10, 1, 12, 0, 0, 123456789, time.UTC)
	for range 2 { // the second time, nothing is left to do
		s := open(t, path)
		people, err := s.ListUsers(t.Context(), fido.UserQuery{})
		require.NoError(t, err)
		require.Equal(t, []fido.User{
			{Handle: bytes.Repeat([]byte{1}, 32), Name: "Ana@example.com", DisplayName: "Ana", Revision: 1},
			{Handle: bytes.Repeat([]byte{2}, 32), Name: "bob@example.com", DisplayName: "bob@example.com", Revision: 1},
		}, people)
		keys, err := s.ListCredentials(t.Context(), fido.CredentialQuery{})
		require.NoError(t, err)
		require.Equal(t, []fido.Credential{
			{
				ID: []byte{1, 1}, UserHandle: people[0].Handle, PublicKey: []byte{4, 5, 6}, Algorithm: fido.ES256, SignCount: 7,
				Evidence: keypolicy.Evidence{
					Verdict: keypolicy.Rooted, RootedBy: "pinned", Format: "packed", Hardware: true, UserVerified: true, Note: `packed: certificate chains to CN=Yubico "U2F" Root, é`,
					AAGUID: keypolicy.AAGUID{0xee, 0x88, 0x28, 0x79, 0x72, 0x1c, 0x49, 0x13, 0x97, 0x75, 0x3d, 0xfc, 0xce, 0x97, 0x07, 0x2a},
				},
				Transports: []string{"nfc", "usb"}, UserVerified: true, State: fido.StateActive, StateSince: at, Created: at, Approved: at, LastUsed: at.Add(time.Minute),
				AttestationObject: []byte{9, 9}, ClientDataJSON: []byte("{}"), Revision: 1,
			},
			{
				ID: []byte{1, 2}, UserHandle: people[0].Handle, PublicKey: []byte{7}, Algorithm: fido.EdDSA,
				Evidence:       keypolicy.Evidence{Verdict: keypolicy.Self, Format: "packed", BackupEligible: true, Note: "signed with the credential's own key"},
				BackupEligible: true, BackupState: true, State: fido.StateQuarantined, StateReason: "sign count went from 5 to 4", Created: at, Approved: at, Revision: 1,
			},
			{
				ID: []byte{2, 1}, UserHandle: people[1].Handle, PublicKey: []byte{8}, Algorithm: fido.RS256, SignCount: 1<<32 - 1,
				Evidence: keypolicy.Evidence{Format: "none", Note: "no attestation"}, State: fido.StateActive, StateSince: at, Created: at, Approved: at, Revision: 1,
			},
		}, keys)
		invites, err := s.Invites(t.Context(), people[1].Handle)
		require.NoError(t, err)
		require.Equal(t, []fido.Invite{{ID: fido.Hash{9}, UserHandle: people[1].Handle, Kind: fido.KindLink, Expires: at.Add(time.Hour)}}, invites)
		seed, err := s.Swap(t.Context(), "seed", nil, []byte("another"))
		require.NoError(t, err)
		require.Equal(t, append([]byte{42}, make([]byte, 31)...), seed)
	}
	r, err := open(t, path).TakeCeremony(t.Context(), fido.Hash{9})
	require.NoError(t, err)
	require.Equal(t, fido.CeremonyRecord{
		ID: fido.Hash{9}, Purpose: fido.PurposeSignIn, Challenge: []byte{3}, UserVerification: "required", RemoteAddr: "192.0.2.1", Expires: at.Add(time.Minute),
	}, r)
}
