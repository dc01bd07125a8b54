package fido_test

import (
	"crypto"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// TestOwnProcedures goes through the steps of the formats whose roots
// go-webauthn has compiled in: right ones are rooted by the root that we hold, and
// nothing else passes.
func TestOwnProcedures(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	cfg := config()
	cfg.Roots = []fido.Root{{Certificate: root.certificate, Hardware: true}}
	rp := party(t, cfg, fido.NewMemoryStore())
	register := func(t *testing.T, statement func(f *forge) statementFunc) (*fido.Credential, error) {
		key := newForge(t, fido.ES256)
		key.aaguid = yubiKey5FIPS
		_, c := beginRegistration(t, rp, ana)
		return rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = statement(key) }))
	}
	ap := func(change ...func([]byte, *crypto.PublicKey)) func(*forge) statementFunc {
		return func(f *forge) statementFunc { return apple(t, f, root, change...) }
	}
	ak := func(change ...func(*description)) func(*forge) statementFunc {
		return func(f *forge) statementFunc { return androidKey(t, f, root, change...) }
	}
	sn := func(change ...func(*attested)) func(*forge) statementFunc {
		return func(*forge) statementFunc { return safetyNet(t, root, time.Now, change...) }
	}
	for name, s := range map[string]struct {
		statement func(f *forge) statementFunc
		hardware  bool
	}{
		"apple":                            {ap(), true},
		"android-key":                      {ak(), true},
		"android-key, newer list":          {ak(func(d *description) { d.newer = true }), true},
		"android-safetynet":                {sn(), false}, // says nothing about where the key is
		"compound":                         {func(f *forge) statementFunc { return compound(ak()(f), sn()(f)) }, true},
		"compound, of which one is rooted": {func(f *forge) statementFunc { return compound(packedSelf(t, f), ak()(f)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := register(t, s.statement)
			require.NoError(t, err)
			require.Equal(t, keypolicy.Rooted, c.Evidence.Verdict, c.Evidence.Note)
			require.Equal(t, s.hardware, c.Evidence.Hardware)
			// In these formats it is a program that says which model it is.
			require.Zero(t, c.Evidence.AAGUID, "nobody vouches for the model")
		})
	}
	for name, statement := range map[string]func(f *forge) statementFunc{
		"apple: another nonce":                         ap(func(nonce []byte, _ *crypto.PublicKey) { nonce[0] ^= 1 }),
		"apple: another key":                           ap(func(_ []byte, k *crypto.PublicKey) { *k = newForge(t, fido.ES256).key.Public() }),
		"apple: another kind of key":                   ap(func(_ []byte, k *crypto.PublicKey) { *k = newForge(t, fido.EdDSA).key.Public() }),
		"apple: no nonce":                              func(*forge) statementFunc { return relabel(packed(t, root.leaf(t, trinket)), "apple") },
		"apple: no certificate":                        func(*forge) statementFunc { return bare("apple") },
		"android-key: no certificate":                  func(*forge) statementFunc { return bare("android-key") },
		"android-key: wrong signature":                 ak(func(d *description) { d.signature = true }),
		"android-key: another key":                     ak(func(d *description) { d.other = true }),
		"android-key: another algorithm":               ak(func(d *description) { d.alg = -257 }),
		"android-key: another challenge":               ak(func(d *description) { d.challenge = []byte("another") }),
		"android-key: all applications":                ak(func(d *description) { d.all = true }),
		"android-key: all applications in software":    ak(func(d *description) { d.softwareAll = true }),
		"android-key: all applications, newer list":    ak(func(d *description) { d.all, d.newer = true, true }),
		"android-key: imported":                        ak(func(d *description) { d.origin = 2 }),
		"android-key: not for signing":                 ak(func(d *description) { d.purpose = 3 }),
		"android-key: more behind the description":     ak(func(d *description) { d.trailing = true }),
		"android-key: no description":                  func(*forge) statementFunc { return relabel(packed(t, root.leaf(t, trinket)), "android-key") },
		"android-safetynet: wrong signature":           sn(func(a *attested) { a.spoil = true }),
		"android-safetynet: another host":              sn(func(a *attested) { a.host = "attest.example.com" }),
		"android-safetynet: another nonce":             sn(func(a *attested) { a.payload["nonce"] = "AAAA" }),
		"android-safetynet: another device":            sn(func(a *attested) { a.payload["ctsProfileMatch"] = false }),
		"android-safetynet: old":                       sn(func(a *attested) { a.payload["timestampMs"] = time.Now().Add(-2 * time.Minute).UnixMilli() }),
		"android-safetynet: from the future":           sn(func(a *attested) { a.payload["timestampMs"] = time.Now().Add(time.Minute).UnixMilli() }),
		"android-safetynet: algorithm none":            sn(func(a *attested) { a.alg = "none" }),
		"android-safetynet: symmetric":                 sn(func(a *attested) { a.alg = "HS256" }),
		"android-safetynet: no version":                sn(func(a *attested) { a.version = "" }),
		"android-safetynet: no certificate":            sn(func(a *attested) { a.chain = []string{} }),
		"android-safetynet: no certificates but words": sn(func(a *attested) { a.chain = []string{"AAAA"} }),
		"compound of one":                              func(f *forge) statementFunc { return compound(packedSelf(t, f)) },
		"compound of seven": func(f *forge) statementFunc {
			s := packedSelf(t, f)
			return compound(s, s, s, s, s, s, s)
		},
		"compound with none": func(f *forge) statementFunc { return compound(none, packedSelf(t, f)) },
		"compound in a compound": func(f *forge) statementFunc {
			return compound(packedSelf(t, f), bare("compound"))
		},
		"compound, a part is wrong": func(f *forge) statementFunc {
			return compound(ak()(f), ak(func(d *description) { d.signature = true })(f))
		},
		"compound, an unknown format": func(f *forge) statementFunc { return compound(ak()(f), bare("made-up")) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := register(t, statement)
			failsCheck(t, err, "attestation")
		})
	}
}

func relabel(s statementFunc, format string) statementFunc {
	return func(authData, hash []byte) (string, any) {
		_, statement := s(authData, hash)
		return format, statement
	}
}

func bare(format string) statementFunc {
	return func([]byte, []byte) (string, any) { return format, map[string]any{"alg": -7} }
}

// TestModelsOfARoot: a pinned root vouches for the models that it is pinned for.
func TestModelsOfARoot(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	for name, c := range map[string]struct {
		models    []keypolicy.AAGUID
		statement func(f *forge) statementFunc
		verdict   keypolicy.Verdict
		model     keypolicy.AAGUID
	}{
		"packed, any model":         {nil, func(*forge) statementFunc { return packed(t, root.leaf(t, trinket)) }, keypolicy.Rooted, trinket},
		"packed, its model":         {[]keypolicy.AAGUID{yubiKey5FIPS, trinket}, func(*forge) statementFunc { return packed(t, root.leaf(t, trinket)) }, keypolicy.Rooted, trinket},
		"packed, another's model":   {[]keypolicy.AAGUID{yubiKey5FIPS}, func(*forge) statementFunc { return packed(t, root.leaf(t, trinket)) }, keypolicy.None, trinket},
		"U2F, its model":            {[]keypolicy.AAGUID{trinket}, func(f *forge) statementFunc { return u2f(t, f, root.leaf(t, trinket)) }, keypolicy.Rooted, trinket},
		"Android key, any model":    {nil, func(f *forge) statementFunc { return androidKey(t, f, root) }, keypolicy.Rooted, keypolicy.AAGUID{}},
		"Android key, its model":    {[]keypolicy.AAGUID{trinket}, func(f *forge) statementFunc { return androidKey(t, f, root) }, keypolicy.Rooted, trinket},
		"Android key, not a model":  {[]keypolicy.AAGUID{yubiKey5FIPS}, func(f *forge) statementFunc { return androidKey(t, f, root) }, keypolicy.None, trinket},
		"TPM, any model":            {nil, func(f *forge) statementFunc { return tpm(t, f, root) }, keypolicy.Rooted, keypolicy.AAGUID{}},
		"TPM, its model":            {[]keypolicy.AAGUID{trinket}, func(f *forge) statementFunc { return tpm(t, f, root) }, keypolicy.Rooted, trinket},
		"TPM, not a model":          {[]keypolicy.AAGUID{yubiKey5FIPS}, func(f *forge) statementFunc { return tpm(t, f, root) }, keypolicy.None, trinket},
		"Apple, no model of itself": {[]keypolicy.AAGUID{{}}, func(f *forge) statementFunc { return apple(t, f, root) }, keypolicy.None, trinket},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.Roots, cfg.UserVerification = []fido.Root{{Certificate: root.certificate, Models: c.models}}, "preferred"
			key := newForge(t, fido.ES256)
			key.aaguid = trinket
			credential := enrol(t, party(t, cfg, fido.NewMemoryStore()), ana, key, func(d *draft) { d.statement = c.statement(key) })
			require.Equal(t, c.verdict, credential.Evidence.Verdict, credential.Evidence.Note)
			require.Equal(t, c.model, credential.Evidence.AAGUID)
		})
	}
}

// A U2F key does not sign the flags at its registration: a client that sets UV
// there has said so itself.
func TestU2FVerifiesNobody(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	for _, policy := range []*keypolicy.Policy{nil, policyOf(t, keypolicy.DeviceBound())} {
		cfg := config()
		cfg.Roots, cfg.Policy = []fido.Root{{Certificate: root.certificate, Hardware: true}}, policy
		rp := party(t, cfg, fido.NewMemoryStore())
		key := newForge(t, fido.ES256)
		_, c := beginRegistration(t, rp, ana)
		_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = u2f(t, key, root.leaf(t, trinket)) }))
		refusedFor(t, err, "user_verification")
	}
}

// Android's certificates may be for keys of other kinds.
func TestAndroidKeyAlgorithms(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	cfg := config()
	cfg.Roots = []fido.Root{{Certificate: root.certificate, Hardware: true}}
	rp := party(t, cfg, fido.NewMemoryStore())
	for _, alg := range []fido.Algorithm{fido.ES256, fido.EdDSA, fido.RS256} {
		key := newForge(t, alg)
		c := enrol(t, rp, ana, key, func(d *draft) { d.statement = androidKey(t, key, root) })
		require.Equal(t, keypolicy.Rooted, c.Evidence.Verdict, alg)
	}
}

// TestClockIsOurs: whether a certificate is valid is asked at the relying party's
// time, in every format. The machine's clock has no say: certificates of the test
// are valid now, for an hour on both sides.
func TestClockIsOurs(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	for name, statement := range map[string]func(f *forge, clock func() time.Time) statementFunc{
		"packed":            func(*forge, func() time.Time) statementFunc { return packed(t, root.leaf(t, trinket)) },
		"fido-u2f":          func(f *forge, _ func() time.Time) statementFunc { return u2f(t, f, root.leaf(t, trinket)) },
		"tpm":               func(f *forge, _ func() time.Time) statementFunc { return tpm(t, f, root) },
		"apple":             func(f *forge, _ func() time.Time) statementFunc { return apple(t, f, root) },
		"android-key":       func(f *forge, _ func() time.Time) statementFunc { return androidKey(t, f, root) },
		"android-safetynet": func(_ *forge, clock func() time.Time) statementFunc { return safetyNet(t, root, clock) },
		"compound": func(f *forge, _ func() time.Time) statementFunc {
			return compound(packed(t, root.leaf(t, trinket)), androidKey(t, f, root))
		},
	} {
		for when, off := range map[string]time.Duration{"now": 0, "long ago": -24 * time.Hour, "much later": 24 * time.Hour} {
			t.Run(name+"/"+when, func(t *testing.T) {
				cfg := config()
				cfg.Roots, cfg.UserVerification = []fido.Root{{Certificate: root.certificate, Hardware: true}}, "preferred"
				cfg.Now = func() time.Time { return time.Now().Add(off) }
				rp := party(t, cfg, fido.NewMemoryStore())
				key := newForge(t, fido.ES256)
				key.aaguid = trinket
				_, c := beginRegistration(t, rp, ana)
				credential, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = statement(key, cfg.Now) }))
				if off == 0 {
					require.NoError(t, err)
					require.Equal(t, keypolicy.Rooted, credential.Evidence.Verdict)
					return
				}
				if err == nil { // the statement is right, and vouches for nothing
					require.NotEqual(t, keypolicy.Rooted, credential.Evidence.Verdict)
					return
				}
				failsCheck(t, err, "attestation")
			})
		}
	}
}
