package fido_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/internal/secret"
)

// vector is one recorded ceremony.
type vector struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	RPID      string   `json:"rpId"`
	Origins   []string `json:"origins"`
	Challenge bytes64  `json:"challenge"`
	Expected  string   `json:"expected"`

	Response   json.RawMessage `json:"response"`
	Credential struct {
		ID        bytes64 `json:"id"`
		PublicKey bytes64 `json:"publicKey"`
		SignCount uint32  `json:"signCount"`
		Flags     byte    `json:"flags"`
	} `json:"credential"`
	Info struct {
		Format              string  `json:"fmt"`
		AAGUID              string  `json:"aaguid"`
		Flags               byte    `json:"flags"`
		SignCount           uint32  `json:"signCount"`
		CredentialPublicKey bytes64 `json:"credentialPublicKey"`
	} `json:"info"`
}

type bytes64 []byte

func (b *bytes64) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

// vectorFile reads a file of other people's test data, which is not part of this
// repository. It skips if there is no such data, and fails if there should be.
func vectorFile(t *testing.T, name string) []byte {
	t.Helper()
	dir, set := os.LookupEnv("LAKEKEY_VECTORS")
	if !set {
		root, err := os.Getwd()
		require.NoError(t, err)
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			require.NotEqual(t, root, filepath.Dir(root), "no go.mod above the test")
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "vectors")
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			t.Skip("no vectors: set LAKEKEY_VECTORS to the directory that holds " + name)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return b
}

func readVectors(t *testing.T, name string, want int) []vector {
	t.Helper()
	var file struct {
		Count   int      `json:"count"`
		Vectors []vector `json:"vectors"`
	}
	require.NoError(t, json.Unmarshal(vectorFile(t, name), &file))
	require.Len(t, file.Vectors, file.Count)
	require.Len(t, file.Vectors, want)
	return file.Vectors
}

// inItsTime runs f with a clock that stands where the certificates of an
// attestation are valid.
func inItsTime(t *testing.T, v vector, f func(t *testing.T, clock func() time.Time)) {
	t.Helper()
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var notBefore, notAfter time.Time
	for _, c := range certificatesIn(t, v) {
		if c.NotBefore.After(notBefore) {
			notBefore = c.NotBefore
		}
		if notAfter.IsZero() || c.NotAfter.Before(notAfter) {
			notAfter = c.NotAfter
		}
	}
	if notBefore.After(at) || !notAfter.IsZero() && notAfter.Before(at) {
		at = notBefore.Add(time.Second)
	}
	if said := saidAt(t, v); !said.IsZero() {
		at = said.Add(time.Second)
	}
	f(t, func() time.Time { return at })
}

// saidAt is when SafetyNet made its response, which is good for a minute.
func saidAt(t *testing.T, v vector) time.Time {
	t.Helper()
	jws, err := safetyNetIn(v)
	if err != nil || len(jws) == 0 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(string(jws), ".")[1])
	require.NoError(t, err)
	var said struct {
		TimestampMs int64 `json:"timestampMs"`
	}
	require.NoError(t, json.Unmarshal(payload, &said))
	return time.UnixMilli(said.TimestampMs)
}

// safetyNetIn returns the response of SafetyNet, if there is one.
func safetyNetIn(v vector) ([]byte, error) {
	var response struct {
		Response struct {
			AttestationObject bytes64 `json:"attestationObject"`
		} `json:"response"`
	}
	if err := json.Unmarshal(v.Response, &response); err != nil {
		return nil, err
	}
	var object struct {
		Statement struct {
			Response []byte `cbor:"response"`
		} `cbor:"attStmt"`
	}
	err := cbor.Unmarshal(response.Response.AttestationObject, &object)
	return object.Statement.Response, err
}

// certificatesIn finds the x5c of a registration, leniently: some of the data is
// made to be refused later.
func certificatesIn(t *testing.T, v vector) (all []*x509.Certificate) {
	t.Helper()
	var response struct {
		Response struct {
			AttestationObject bytes64 `json:"attestationObject"`
		} `json:"response"`
	}
	require.NoError(t, json.Unmarshal(v.Response, &response))
	var object struct {
		Statement struct {
			X5C      [][]byte `cbor:"x5c"`
			Response []byte   `cbor:"response"` // SafetyNet's JWS, which holds the chain
		} `cbor:"attStmt"`
	}
	if cbor.Unmarshal(response.Response.AttestationObject, &object) != nil {
		return nil
	}
	var header struct {
		X5C [][]byte `json:"x5c"`
	}
	jws, _, _ := strings.Cut(string(object.Statement.Response), ".")
	if b, err := base64.RawURLEncoding.DecodeString(jws); err == nil && len(b) > 0 {
		require.NoError(t, json.Unmarshal(b, &header))
	}
	for _, der := range append(object.Statement.X5C, header.X5C...) {
		if c, err := x509.ParseCertificate(der); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// replay carries out the second half of a recorded ceremony.
func replay(t *testing.T, v vector, cfg fido.Config) (*fido.Credential, *fido.Proof, error) {
	t.Helper()
	return replayIn(t, v, cfg, fido.NewMemoryStore())
}

func replayIn(t *testing.T, v vector, cfg fido.Config, store fido.Store) (*fido.Credential, *fido.Proof, error) {
	t.Helper()
	cfg.ID, cfg.Origins, cfg.InsecureNoAudit, cfg.UserVerification = v.RPID, v.Origins, true, "discouraged"
	rp, err := fido.New(cfg, store)
	require.NoError(t, err)
	user, err := store.EnsureUser(t.Context(), "ana@example.com", fido.User{Handle: []byte("handle of ana"), Name: "ana@example.com"})
	require.NoError(t, err)
	id := secret.New("the ceremony")
	record := fido.CeremonyRecord{
		ID: sha256.Sum256([]byte(id.Reveal())), Purpose: fido.PurposeRegistration, Challenge: v.Challenge, UserHandle: user.Handle,
		UserVerification: "discouraged", Expires: cfg.Now().Add(time.Minute),
	}
	if v.Kind == "registration" {
		require.NoError(t, store.PutCeremony(t.Context(), record, cfg.Now()))
		c, err := rp.FinishRegistration(t.Context(), id, v.Response)
		return c, nil, err
	}
	alg, err := fido.COSEAlgorithm(v.Credential.PublicKey)
	require.NoError(t, err)
	require.NoError(t, store.AddCredential(t.Context(), fido.Credential{
		ID: v.Credential.ID, UserHandle: user.Handle, PublicKey: v.Credential.PublicKey, Algorithm: alg,
		SignCount: v.Credential.SignCount, BackupEligible: v.Credential.Flags&(1<<3) != 0, State: fido.StateActive,
	}, fido.Addition{}))
	record.Purpose, record.Allowed = fido.PurposeSignIn, [][]byte{v.Credential.ID}
	require.NoError(t, store.PutCeremony(t.Context(), record, cfg.Now()))
	proof, err := rp.FinishSignIn(t.Context(), id, fido.PurposeSignIn, v.Response)
	return nil, proof, err
}

// checkVector holds the outcome against the vector's and the list of known
// disagreements: ID and a part of the reason why we refuse what its source
// accepts. One that is listed and accepted fails the test too.
func checkVector(t *testing.T, v vector, refused map[string]string, err error) (agrees bool) {
	t.Helper()
	why, listed := refused[v.ID]
	switch {
	case listed && v.Expected == "reject":
		t.Fatalf("%s is to be rejected and is listed as a disagreement", v.ID)
	case listed:
		require.Error(t, err, "%s is listed as refused and is accepted now: take it off the list", v.ID)
		require.ErrorContains(t, err, why)
		return false
	case v.Expected == "accept":
		require.NoError(t, err)
	default:
		require.Error(t, err)
	}
	return true
}

// syntheticRefused are the software-made registrations that their source accepts
// and we do not, with a part of our reason.
var syntheticRefused = map[string]string{
	// The source is lenient about CBOR; CTAP2's canonical form has no indefinite
	// lengths. Each has a twin that was encoded again, which is the real test.
	"AndroidSafetynet.BasicAttestation":             "indefinite-length",
	"FidoU2f.BasicAttestation":                      "indefinite-length",
	"FidoU2f.SelfAttestation":                       "indefinite-length",
	"NoneAttestation.Default":                       "indefinite-length",
	"Packed.BasicAttestation":                       "indefinite-length",
	"Packed.BasicAttestationEdDsa":                  "indefinite-length",
	"Packed.BasicAttestationRsa":                    "indefinite-length",
	"Packed.BasicAttestationRs384":                  "indefinite-length",
	"Packed.BasicAttestationRs512":                  "indefinite-length",
	"Packed.BasicAttestationRs1":                    "indefinite-length",
	"Packed.BasicAttestationWithoutAaguidExtension": "indefinite-length",
	"Packed.SelfAttestationRs1":                     "indefinite-length",
	"Tpm.ValidEs256":                                "indefinite-length",
	"Tpm.ValidEs256Alt":                             "indefinite-length",
	"Tpm.ValidEs384":                                "indefinite-length",
	"Tpm.ValidEs512":                                "indefinite-length",
	"Tpm.ValidRs256":                                "indefinite-length",
	"Tpm.ValidRs384":                                "indefinite-length",
	"Tpm.ValidRs512":                                "indefinite-length",
	"Tpm.ValidRs1":                                  "indefinite-length",
	// Algorithms that this build cannot verify, or should not.
	"Packed.BasicAttestationEd448":         "cannot verify Ed448",
	"Packed.BasicAttestationRs1/canonical": "cannot verify RS1",
	"Packed.SelfAttestationRs1/canonical":  "cannot verify RS1",
	"Tpm.ValidRs1/canonical":               "cannot verify RS1",
	// Its certificate names the host in the common name only, which counts no longer.
	"AndroidSafetynet.BasicAttestation/canonical": "not valid for attest.android.com",
	// The TPM statements are made up: manufacturer and public area are not a TPM's.
	"Tpm.ValidEs256/canonical":    "Mismatch between ECCParameters",
	"Tpm.ValidEs256Alt/canonical": "Invalid TPM manufacturer",
	"Tpm.ValidEs384/canonical":    "Invalid TPM manufacturer",
	"Tpm.ValidEs512/canonical":    "Invalid TPM manufacturer",
	"Tpm.ValidRs256/canonical":    "Mismatch between RSAParameters",
	"Tpm.ValidRs384/canonical":    "Mismatch between RSAParameters",
	"Tpm.ValidRs512/canonical":    "Mismatch between RSAParameters",
}

func TestSyntheticRegistrations(t *testing.T) {
	rejected := map[string]string{ // for these reasons and no others
		"AndroidSafetynet.WrongHostname":                  "indefinite-length",
		"AndroidSafetynet.FalseCtsProfileMatch":           "indefinite-length",
		"AndroidSafetynet.WrongHostname/canonical":        "not valid for attest.android.com",
		"AndroidSafetynet.FalseCtsProfileMatch/canonical": "not valid for attest.android.com",
	}
	agree := 0
	for _, v := range readVectors(t, "webauthn_synthetic_registrations.json", 47) {
		v.ID = strings.TrimPrefix(v.ID, "yubico-td-")
		t.Run(v.ID, func(t *testing.T) {
			inItsTime(t, v, func(t *testing.T, clock func() time.Time) {
				c, _, err := replay(t, v, fido.Config{Now: clock})
				if checkVector(t, v, syntheticRefused, err) {
					agree++
				}
				if v.Expected == "reject" {
					require.ErrorContains(t, err, rejected[v.ID])
				}
				if err == nil {
					require.NotEqual(t, keypolicy.Rooted, c.Evidence.Verdict, "no root is configured")
				}
			})
		})
	}
	require.Len(t, syntheticRefused, 32)
	require.Equal(t, 15, agree)
}
