package fido_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// FuzzAttestation: whatever is made of genuine statements, it is refused in our
// words or it is about what was signed: nothing is rooted by the root but the
// authenticator data that its keys have attested to.
func FuzzAttestation(f *testing.F) {
	root := newAuthority(f, "Root", nil)
	cfg := config()
	cfg.Roots = []fido.Root{{Certificate: root.certificate, Hardware: true}}
	rp := party(f, cfg, fido.NewMemoryStore())
	key := newForge(f, fido.ES256)
	key.aaguid = yubiKey5FIPS
	clientData := []byte(`{"type":"webauthn.create"}`)
	hash := sha256.Sum256(clientData)
	d := draft{rpID: key.rpID, flags: up | uv | at}
	attested := binary.BigEndian.AppendUint16(append([]byte{}, key.aaguid[:]...), uint16(len(key.id)))
	authData := d.authData(append(append(attested, key.id...), key.cose...))
	android, safety, whole := androidKey(f, key, root), safetyNet(f, root, time.Now), packed(f, root.leaf(f, yubiKey5FIPS))
	for _, s := range []statementFunc{
		none, packedSelf(f, key), whole, u2f(f, key, root.leaf(f, yubiKey5FIPS)), apple(f, key, root), android, safety,
		compound(android, safety), compound(packedSelf(f, key), whole), bare("tpm"),
	} {
		format, statement := s(authData, hash[:])
		f.Add(encodeCBOR(f, map[string]any{"fmt": format, "attStmt": statement, "authData": authData}))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		data, e, err := rp.Attest(object, clientData)
		if err != nil {
			failsCheck(t, err, "attestation")
			require.Zero(t, e)
			return
		}
		require.NotEmpty(t, e.Note)
		if e.Verdict != keypolicy.Rooted {
			require.False(t, e.Hardware || e.FIPS || e.RootedBy != "" || e.Model != "", "%+v", e)
			return
		}
		// U2F signs the RP ID, the credential and its key, not what surrounds them.
		if e.Format != "fido-u2f" && !bytes.Contains(object, []byte("fido-u2f")) {
			require.Equal(t, authData, data)
		}
		require.True(t, bytes.Contains(data, key.cose))
	})
}
