package fido_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"
)

// tpm makes a statement as a Windows computer does: the chip certifies the key
// with an attestation identity key, for which by vouches.
// https://www.w3.org/TR/webauthn-3/#sctn-tpm-attestation
func tpm(t testing.TB, f *forge, by *authority) statementFunc {
	return func(authData, hash []byte) (string, any) {
		aik, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		point, err := f.key.Public().(*ecdsa.PublicKey).Bytes()
		require.NoError(t, err)
		public := tpm2.TPMTPublic{
			Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
			Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
				Symmetric: tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull}, Scheme: tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgNull},
				CurveID: tpm2.TPMECCNistP256, KDF: tpm2.TPMTKDFScheme{Scheme: tpm2.TPMAlgNull},
			}),
			Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: point[1:33]}, Y: tpm2.TPM2BECCParameter{Buffer: point[33:]}}),
		}
		name, err := tpm2.ObjectName(&public)
		require.NoError(t, err)
		extra := sha256.Sum256(append(append([]byte{}, authData...), hash...))
		info := tpm2.Marshal(tpm2.TPMSAttest{
			Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: extra[:]},
			Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: *name}),
		})
		digest := sha256.Sum256(info)
		sig, err := aik.Sign(rand.Reader, digest[:], crypto.SHA256)
		require.NoError(t, err)
		leaf := by.certify(t, aik.Public(), &x509.Certificate{
			BasicConstraintsValid: true, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}},
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: chipName(t)}},
		})
		return "tpm", map[string]any{"ver": "2.0", "alg": -7, "sig": sig, "certInfo": info, "pubArea": tpm2.Marshal(public), "x5c": raw(leaf)}
	}
}

// chipName is the alternative name of a chip: its maker, model and version.
func chipName(t testing.TB) []byte {
	attribute := func(n int, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 23, 133, 2, n}, Value: value}
	}
	name, err := asn1.Marshal(pkix.RDNSequence{{attribute(1, "id:414D4400"), attribute(2, "model"), attribute(3, "id:1")}})
	require.NoError(t, err)
	value, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name}})
	require.NoError(t, err)
	return value
}
