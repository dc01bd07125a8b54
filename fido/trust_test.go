package fido_test

import (
	"context"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// fixed is metadata that is what the test says, for as long as it says so.
type fixed struct {
	blob *mds.Blob
	err  error
}

func (f fixed) Current(context.Context) (*mds.Blob, error) { return f.blob, f.err }

// changing is metadata that a test replaces.
type changing struct{ fixed }

func (c *changing) Current(ctx context.Context) (*mds.Blob, error) { return c.fixed.Current(ctx) }

// models makes metadata out of entries.
type models struct {
	ca     *mdstest.CA
	number int
}

func (m *models) blob(t testing.TB, entries ...mdstest.Entry) *mds.Blob {
	t.Helper()
	if m.ca == nil {
		m.ca = mdstest.New(t, mdstest.Options{})
	}
	m.number++
	return m.ca.Parse(t, mdstest.Payload{Number: m.number, Entries: entries})
}

func fipsEntry(root *authority, status ...mds.StatusReport) mdstest.Entry {
	return mdstest.Entry{
		AAGUID: yubiKey5FIPS, Description: "YubiKey 5 FIPS", Roots: []*x509.Certificate{root.certificate},
		Certifications: map[string]int{"FIPS-CMVP-3": 2}, Status: status,
	}
}

// genuineKey registers a key that the root vouches for.
func genuineKey(t testing.TB, rp *fido.RelyingParty, root *authority) (*forge, *fido.Credential) {
	t.Helper()
	key := newForge(t, fido.ES256)
	key.aaguid = yubiKey5FIPS
	return key, enrol(t, rp, ana, key, func(d *draft) { d.statement = packed(t, root.leaf(t, yubiKey5FIPS)) })
}

func refusedFor(t testing.TB, err error, field string) {
	t.Helper()
	var refused *fido.PolicyError
	require.ErrorAs(t, err, &refused)
	for _, r := range refused.Decision.Reasons {
		if r.Field == field {
			return
		}
	}
	require.Fail(t, "another reason", "%v", err)
}

// TestStatusAtSignIn: what becomes known of a model after the key was registered
// counts at the next sign-in, without a word from anybody.
func TestStatusAtSignIn(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	var m models
	now := time.Now()
	metadata := &changing{fixed{blob: m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.CertifiedL1}))}}
	cfg := config()
	cfg.Now, cfg.Metadata, cfg.Policy = func() time.Time { return now }, metadata, policyOf(t, keypolicy.FIPS())
	rp := party(t, cfg, fido.NewMemoryStore())
	key, c := genuineKey(t, rp, root)
	require.Equal(t, []string{"FIDO_CERTIFIED_L1"}, c.Evidence.Status)
	require.Equal(t, keypolicy.L1, c.Evidence.Certification)
	require.Equal(t, "mds", c.Evidence.RootedBy)
	require.True(t, c.Evidence.FIPS)
	require.Equal(t, "metadata", c.Evidence.FIPSBy)
	proof, err := signIn(t, rp, ana, key)
	require.NoError(t, err)
	require.Equal(t, 1, proof.Evidence.Metadata)

	for _, status := range []mds.Status{mds.UserVerificationBypass, mds.AttestationKeyCompromise, mds.UserKeyRemoteCompromise, mds.UserKeyPhysicalCompromise, mds.Retired, mds.Revoked} {
		metadata.blob = m.blob(t, fipsEntry(root, mds.StatusReport{Status: status}, mds.StatusReport{Status: mds.UpdateAvailable}))
		_, err = signIn(t, rp, ana, key)
		refusedFor(t, err, "undesired_status")
		metadata.blob = m.blob(t, fipsEntry(root, mds.StatusReport{Status: status, EffectiveDate: now.Add(48 * time.Hour)}))
		_, err = signIn(t, rp, ana, key)
		require.NoError(t, err, "%s, the day after tomorrow", status)
	}
	t.Run("a batch", func(t *testing.T) {
		other := newAuthority(t, "Batch", root)
		metadata.blob = m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.AttestationKeyCompromise, BatchCertificate: other.certificate}))
		_, err = signIn(t, rp, ana, key)
		require.NoError(t, err, "is not about this key")
		second := newForge(t, fido.ES256)
		second.aaguid = yubiKey5FIPS
		_, c := beginRegistration(t, rp, ben)
		_, err = rp.FinishRegistration(t.Context(), c.ID, second.register(t, c.Options, func(d *draft) { d.statement = packed(t, other.leaf(t, yubiKey5FIPS), other) }))
		refusedFor(t, err, "undesired_status")
		metadata.blob = m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.Revoked, BatchCertificate: other.certificate}))
		_, err = signIn(t, rp, ana, key)
		refusedFor(t, err, "undesired_status") // of the model, for any reason
	})
	t.Run("the validation is withdrawn", func(t *testing.T) {
		e := fipsEntry(root)
		e.Certifications = nil
		metadata.blob = m.blob(t, e)
		_, err = signIn(t, rp, ana, key)
		refusedFor(t, err, "fips")
	})
	t.Run("a status report is no validation", func(t *testing.T) {
		e := fipsEntry(root, mds.StatusReport{Status: mds.FIPS140L2})
		e.Certifications = nil
		metadata.blob = m.blob(t, e)
		_, err = signIn(t, rp, ana, key)
		refusedFor(t, err, "fips")
	})
	t.Run("the model is gone", func(t *testing.T) {
		metadata.blob = m.blob(t)
		_, err = signIn(t, rp, ana, key)
		refusedFor(t, err, "attested")
	})
	t.Run("the roots are others", func(t *testing.T) {
		metadata.blob = m.blob(t, fipsEntry(newAuthority(t, "Root", nil)))
		_, err = signIn(t, rp, ana, key)
		refusedFor(t, err, "attested")
	})
	t.Run("another root of the maker's is over the first", func(t *testing.T) {
		metadata.blob = m.blob(t, fipsEntry(root))
		_, err = signIn(t, rp, ana, key)
		require.NoError(t, err)
	})
	t.Run("keys that are copied", func(t *testing.T) {
		e := fipsEntry(root)
		e.MultiDevice = "implicit"
		metadata.blob = m.blob(t, e)
		_, err = signIn(t, rp, ana, key)
		refusedFor(t, err, "device_bound")
	})
	t.Run("what a newer one said is not taken back by an older one", func(t *testing.T) {
		newest := m.blob(t, fipsEntry(root))
		metadata.blob = newest
		third, _ := genuineKey(t, rp, root)
		metadata.blob = (&models{ca: m.ca}).blob(t, fipsEntry(root, mds.StatusReport{Status: mds.Revoked})) // number 1
		_, err = signIn(t, rp, ana, third)
		require.NoError(t, err, "number %d is known already", newest.Number)
	})
}

// TestStaleMetadata: what rests on metadata is false while there is none.
func TestStaleMetadata(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	stale := fixed{err: &mds.StaleError{Number: 1}}
	for name, c := range map[string]struct {
		profile keypolicy.Profile
		pinned  bool
		field   string // empty: the key signs in
	}{
		"any passkey":           {keypolicy.AnyPasskey(), false, ""},
		"hardware":              {keypolicy.AttestedHardware(), false, "attested"},
		"FIPS":                  {keypolicy.FIPS(), false, "fips"},
		"list":                  {keypolicy.Profile{AllowModels: []string{"fips"}}, false, "allow_models"},
		"hardware, pinned root": {keypolicy.AttestedHardware(), true, ""},
		"list, pinned root":     {keypolicy.Profile{AllowModels: []string{"fips"}}, true, ""},
		"FIPS, pinned root":     {keypolicy.FIPS(), true, "fips"}, // only the metadata knew
		"loudly":                {keypolicy.Profile{Attested: true, FIPS: true, InsecureStaleMetadata: true}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var m models
			metadata := &changing{fixed{blob: m.blob(t, fipsEntry(root))}}
			cfg := config()
			cfg.Metadata, cfg.Policy = metadata, policyOf(t, c.profile)
			if c.pinned {
				cfg.Roots = []fido.Root{{Certificate: root.certificate, Hardware: true}}
			}
			store := fido.NewMemoryStore()
			rp := party(t, cfg, store)
			key, _ := genuineKey(t, rp, root)
			_, err := signIn(t, rp, ana, key)
			require.NoError(t, err)
			check := func(err error) {
				t.Helper()
				if c.field == "" {
					require.NoError(t, err)
					return
				}
				refusedFor(t, err, c.field)
			}
			metadata.fixed = stale
			proof, err := signIn(t, rp, ana, key)
			check(err)
			if err == nil {
				require.True(t, proof.Evidence.MetadataStale)
			}
			cfg.Metadata = nil // an operator who leaves it out is no better informed
			_, err = signIn(t, party(t, cfg, store), ana, key)
			check(err)
		})
	}
	t.Run("registration", func(t *testing.T) {
		cfg := config()
		cfg.Metadata, cfg.Policy = stale, policyOf(t, keypolicy.DeviceBound())
		rp := party(t, cfg, fido.NewMemoryStore())
		key := newForge(t, fido.ES256)
		key.aaguid = yubiKey5FIPS
		_, c := beginRegistration(t, rp, ana)
		_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = packed(t, root.leaf(t, yubiKey5FIPS)) }))
		refusedFor(t, err, "device_bound")
		require.ErrorContains(t, err, "the metadata could not be asked")
	})
}

// A root that is not pinned any longer is not believed any longer, and the
// metadata may take over.
func TestPinnedRootWithdrawn(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	store := fido.NewMemoryStore()
	cfg := config()
	cfg.Policy = policyOf(t, keypolicy.AttestedHardware())
	cfg.Roots = []fido.Root{{Certificate: root.certificate, Hardware: true}}
	key, c := genuineKey(t, party(t, cfg, store), root)
	require.Equal(t, "pinned", c.Evidence.RootedBy)
	require.False(t, c.Evidence.FIPS, "no metadata, no word in the certificate")
	_, err := signIn(t, party(t, cfg, store), ana, key)
	require.NoError(t, err)

	bad := cfg
	var m models
	bad.Metadata = fixed{blob: m.blob(t, fipsEntry(newAuthority(t, "Another", nil), mds.StatusReport{Status: mds.Revoked}))}
	_, err = signIn(t, party(t, bad, store), ana, key)
	refusedFor(t, err, "undesired_status") // bad news of the model is believed whoever vouches for it

	cfg.Roots = []fido.Root{{Certificate: newAuthority(t, "Root", nil).certificate, Hardware: true}}
	_, err = signIn(t, party(t, cfg, store), ana, key)
	refusedFor(t, err, "attested")
	cfg.Metadata = fixed{blob: m.blob(t, fipsEntry(root))}
	proof, err := signIn(t, party(t, cfg, store), ana, key)
	require.NoError(t, err)
	require.Equal(t, "mds", proof.Evidence.RootedBy)
}

// TestU2FKeyIdentifier: keys that know only U2F have no AAGUID; the metadata knows
// them by the key that attests.
func TestU2FKeyIdentifier(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	leaf := issue(t, &x509.Certificate{Subject: attestationSubject}, root) // names no model
	point, err := leaf.key.PublicKey.Bytes()
	require.NoError(t, err)
	id := sha1.Sum(point)
	entry := mdstest.Entry{
		KeyIdentifiers: [][20]byte{id}, Description: "Old key", Roots: []*x509.Certificate{leaf.certificate},
		Status: []mds.StatusReport{{Status: mds.CertifiedL1}}, Statement: map[string]any{"protocolFamily": "u2f"},
	}
	var m models
	metadata := &changing{fixed{blob: m.blob(t, entry)}}
	cfg := config()
	cfg.Metadata, cfg.Policy = metadata, policyOf(t, keypolicy.Profile{Attested: true, Hardware: true, InsecureNoUserVerification: true})
	rp := party(t, cfg, fido.NewMemoryStore())
	key := newForge(t, fido.ES256)
	c := enrol(t, rp, ana, key, func(d *draft) { d.statement = u2f(t, key, leaf) })
	require.Equal(t, keypolicy.Rooted, c.Evidence.Verdict, c.Evidence.Note)
	require.Equal(t, "Old key", c.Evidence.Model)
	require.NotEmpty(t, c.Evidence.KeyIdentifier)
	_, err = signIn(t, rp, ana, key)
	require.NoError(t, err)
	entry.Status = []mds.StatusReport{{Status: mds.UserKeyPhysicalCompromise}}
	metadata.blob = m.blob(t, entry)
	_, err = signIn(t, rp, ana, key)
	refusedFor(t, err, "undesired_status")

	rogue := newForge(t, fido.ES256)
	_, ceremony := beginRegistration(t, rp, ben)
	imitated := issue(t, &x509.Certificate{Subject: attestationSubject, AuthorityKeyId: id[:]}, newAuthority(t, "Root", nil))
	_, err = rp.FinishRegistration(t.Context(), ceremony.ID, rogue.register(t, ceremony.Options, func(d *draft) { d.statement = u2f(t, rogue, imitated) }))
	refusedFor(t, err, "attested")
}

// TestYubicoCertificateSaysFIPS: the certificate is enough where it is rooted, and
// nothing where it is not.
func TestYubicoCertificateSaysFIPS(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	leaf := func(by *authority) *authority { return by.leaf(t, trinket, fipsExtension) }
	cfg := config()
	cfg.Policy = policyOf(t, keypolicy.FIPS())
	cfg.Roots = []fido.Root{{Certificate: root.certificate, Hardware: true}}
	rp := party(t, cfg, fido.NewMemoryStore())
	for by, ok := range map[*authority]bool{root: true, newAuthority(t, "Root", nil): false} {
		key := newForge(t, fido.ES256)
		key.aaguid = trinket
		_, c := beginRegistration(t, rp, ana)
		credential, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = packed(t, leaf(by)) }))
		if !ok {
			refusedFor(t, err, "fips")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "certificate", credential.Evidence.FIPSBy)
	}
}

// TestAttachmentHints: what the metadata says of where a model is.
func TestAttachmentHints(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	for want, hints := range map[string][]string{"platform": {"internal"}, "cross-platform": {"external", "nfc"}, "": {"internal", "external"}} {
		var m models
		e := fipsEntry(root)
		e.Statement = map[string]any{"attachmentHint": hints}
		cfg := config()
		cfg.Metadata = fixed{blob: m.blob(t, e)}
		_, c := genuineKey(t, party(t, cfg, fido.NewMemoryStore()), root)
		require.Equal(t, want, c.Evidence.Attachment)
	}
}

func TestMetadataErrorsAreNotSwallowed(t *testing.T) {
	cfg := config()
	cfg.Metadata = fixed{err: errors.New("mds: the disk is gone")}
	c := enrol(t, party(t, cfg, fido.NewMemoryStore()), ana, newForge(t, fido.ES256))
	require.True(t, c.Evidence.MetadataStale)
	require.Contains(t, c.Evidence.Note, "the disk is gone")
}

// BenchmarkJudge is what policy and metadata cost at a sign-in, whose signature
// takes 70 µs and more.
func BenchmarkJudge(b *testing.B) {
	root := newAuthority(b, "Root", nil)
	var m models
	blob := m.blob(b, fipsEntry(root, mds.StatusReport{Status: mds.Certified}, mds.StatusReport{Status: mds.CertifiedL1}, mds.StatusReport{Status: mds.CertifiedL2}))
	pinned := []fido.Root{{Certificate: root.certificate, Hardware: true}}
	for name, change := range map[string]func(*fido.Config){
		"nothing configured": func(*fido.Config) {},
		"pinned root":        func(c *fido.Config) { c.Roots, c.Policy = pinned, policyOf(b, keypolicy.AttestedHardware()) },
		"metadata":           func(c *fido.Config) { c.Metadata, c.Policy = fixed{blob: blob}, policyOf(b, keypolicy.FIPS()) },
	} {
		b.Run(name, func(b *testing.B) {
			cfg := config()
			change(&cfg)
			rp := party(b, cfg, fido.NewMemoryStore())
			_, c := genuineKey(b, rp, root)
			user, err := rp.User(b.Context(), c.UserHandle)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if err := rp.Judge(b.Context(), user, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
