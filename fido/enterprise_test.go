package fido_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// serialExtension is id-fido-gen-ce-sernum.
func serialExtension(t testing.TB, serial []byte, wrapped bool) pkix.Extension {
	t.Helper()
	if wrapped {
		var err error
		serial, err = asn1.Marshal(serial)
		require.NoError(t, err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 2}, Value: serial}
}

// TestEnterpriseAttestation: a serial number is kept as a keyed hash by those who
// asked for it, by nobody in clear, and one device belongs to one person.
func TestEnterpriseAttestation(t *testing.T) {
	serial := []byte("device 0123456789")
	root := newAuthority(t, "Root", nil)
	var m models
	metadata := &changing{fixed{blob: m.blob(t, fipsEntry(root))}}
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.Metadata, cfg.Policy, cfg.Attestation = metadata, policyOf(t, keypolicy.AttestedHardware()), "enterprise"
			rp := party(t, cfg, store)
			device := func(serial []byte, wrapped bool) *authority {
				return root.leaf(t, yubiKey5FIPS, serialExtension(t, serial, wrapped))
			}
			register := func(rp *fido.RelyingParty, who string, leaf *authority) (*forge, *fido.Credential, error) {
				key := newForge(t, fido.ES256)
				key.aaguid = yubiKey5FIPS
				_, c := beginRegistration(t, rp, who)
				credential, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = packed(t, leaf) }))
				return key, credential, err
			}
			leaf := device(serial, true)
			key, c, err := register(rp, ana, leaf)
			require.NoError(t, err)
			require.Len(t, c.SerialHash, 32)
			stored, err := store.Credential(t.Context(), c.ID)
			require.NoError(t, err)
			require.Equal(t, c.SerialHash, stored.SerialHash)
			require.NotContains(t, string(stored.AttestationObject), string(serial), "the serial number is not stored")
			require.False(t, bytes.Contains(stored.AttestationObject, leaf.certificate.RawTBSCertificate), "nor the certificate, which is one device's")
			var object struct {
				Format   string         `cbor:"fmt"`
				Stated   map[string]any `cbor:"attStmt"`
				AuthData []byte         `cbor:"authData"`
			}
			require.NoError(t, cbor.Unmarshal(stored.AttestationObject, &object))
			require.Equal(t, "none", object.Format)
			require.Empty(t, object.Stated)
			require.True(t, bytes.Contains(object.AuthData, c.ID), "the rest is there")
			require.Equal(t, "packed", stored.Evidence.Format)

			_, again, err := register(rp, ana, device(serial, false))
			require.NoError(t, err, "the same device, another key of the same person")
			require.Equal(t, c.SerialHash, again.SerialHash)
			_, _, err = register(rp, ben, device(serial, true))
			require.ErrorIs(t, err, fido.ErrSerialTaken)
			_, other, err := register(rp, ben, device([]byte("device 0123456780"), true))
			require.NoError(t, err)
			require.NotEqual(t, c.SerialHash, other.SerialHash)

			// Without the statement, the verdict rests on the root that is on record.
			_, err = signIn(t, rp, ana, key)
			require.NoError(t, err)
			now := metadata.blob
			defer func() { metadata.blob = now }()
			metadata.blob = m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.AttestationKeyCompromise, BatchCertificate: newAuthority(t, "Batch", root).certificate}))
			_, err = signIn(t, rp, ana, key)
			refusedFor(t, err, "undesired_status") // which batch it is of is not known any longer
			metadata.blob = m.blob(t, fipsEntry(newAuthority(t, "Root", nil)))
			_, err = signIn(t, rp, ana, key)
			refusedFor(t, err, "attested")
			metadata.blob = m.blob(t, mdstest.Entry{AAGUID: trinket})
			_, err = signIn(t, rp, ana, key)
			refusedFor(t, err, "attested")

			metadata.blob = m.blob(t, fipsEntry(root))
			cfg.Attestation = "direct"
			_, c, err = register(party(t, cfg, store), ben, device(serial, true))
			require.NoError(t, err)
			require.Empty(t, c.SerialHash, "nobody asked for it")
			require.NotContains(t, string(c.AttestationObject), string(serial))

			cfg.Attestation, cfg.Policy = "enterprise", nil
			rogue := newAuthority(t, "Root", nil).leaf(t, yubiKey5FIPS, serialExtension(t, serial, true))
			_, c, err = register(party(t, cfg, store), ben, rogue)
			require.NoError(t, err)
			require.Empty(t, c.SerialHash, "anybody could claim it, and keep its owner from registering")
		})
	}
}
