package fido_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// yubiKey5FIPS is the model that everybody would like to be.
var yubiKey5FIPS = [16]byte{0xc1, 0xf9, 0xa0, 0xbc, 0x1d, 0xd2, 0x40, 0x4a, 0xb2, 0x7f, 0x8e, 0x29, 0x04, 0x7a, 0x43, 0xfd}

// trinket is a model that is certified for nothing, of another maker.
var trinket = [16]byte{0x77, 15: 1}

// makers are two manufacturers whose models the metadata knows.
type makers struct {
	yubico, cheap *authority
	metadata      fixed
}

func newMakers(t testing.TB) makers {
	m := makers{yubico: newAuthority(t, "Yubico U2F Root CA Serial 457200631", nil), cheap: newAuthority(t, "Trinket Root", nil)}
	m.metadata.blob = mdstest.New(t, mdstest.Options{}).Parse(t, mdstest.Payload{Number: 7, Entries: []mdstest.Entry{
		{
			AAGUID: yubiKey5FIPS, Description: "YubiKey 5 FIPS Series with NFC", Roots: []*x509.Certificate{m.yubico.certificate},
			Certifications: map[string]int{"FIPS-CMVP-2": 2}, Status: []mds.StatusReport{{Status: mds.CertifiedL2}},
			Statement: map[string]any{"attachmentHint": []string{"external", "wired", "nfc"}},
		},
		{AAGUID: trinket, Description: "Trinket", Roots: []*x509.Certificate{m.cheap.certificate}, KeyProtection: []string{"software"}},
	}})
	return m
}

// profiles are the ready ones, and one for each thing that can be asked.
func profiles() []struct {
	name    string
	profile keypolicy.Profile
} {
	return []struct {
		name    string
		profile keypolicy.Profile
	}{
		{"any-passkey", keypolicy.AnyPasskey()},
		{"device-bound", keypolicy.DeviceBound()},
		{"hardware", keypolicy.AttestedHardware()},
		{"fips", keypolicy.FIPS()},
		{"fips list", keypolicy.Profile{FIPS: true, FIPSModels: []string{"fips"}}},
		{"allow", keypolicy.Profile{AllowModels: []string{"fips"}}},
		{"deny", keypolicy.Profile{DenyModels: []string{"trinket"}}},
		{"L1", keypolicy.Profile{Certification: keypolicy.L1}},
		{"external", keypolicy.Profile{Attachment: "cross-platform"}},
	}
}

func policyOf(t testing.TB, p keypolicy.Profile) *keypolicy.Policy {
	t.Helper()
	policy, err := keypolicy.New(keypolicy.Models{"fips": {yubiKey5FIPS}, "trinket": {trinket}}, keypolicy.Rule{Name: "all", Profile: p})
	require.NoError(t, err)
	return policy
}

// spoofs are software keys that would like to be a YubiKey 5 FIPS.
func spoofs(t testing.TB, m makers) []struct {
	name      string
	aaguid    [16]byte
	statement func(f *forge) statementFunc
	verdict   keypolicy.Verdict
} {
	rogue := newAuthority(t, "Yubico U2F Root CA Serial 457200631", nil) // by name the same
	leaf := rogue.leaf(t, yubiKey5FIPS)
	between := newAuthority(t, "Intermediate", rogue)
	nameless := issue(t, &x509.Certificate{Subject: attestationSubject}, m.cheap)
	selfSigned := issue(t, &x509.Certificate{Subject: attestationSubject}, nil)
	self := func(f *forge) statementFunc { return packedSelf(t, f) }
	with := func(leaf *authority, more ...*authority) func(*forge) statementFunc {
		return func(*forge) statementFunc { return packed(t, leaf, more...) }
	}
	return []struct {
		name      string
		aaguid    [16]byte
		statement func(f *forge) statementFunc
		verdict   keypolicy.Verdict
	}{
		{"none, claims the model", yubiKey5FIPS, func(*forge) statementFunc { return none }, keypolicy.None},
		{"none, zero AAGUID", [16]byte{}, func(*forge) statementFunc { return none }, keypolicy.None},
		{"packed self, claims the model", yubiKey5FIPS, self, keypolicy.Self},
		{"packed self, zero AAGUID", [16]byte{}, self, keypolicy.Self},
		{"rogue CA of the same name", yubiKey5FIPS, with(leaf), keypolicy.None},
		{"rogue root sent along", yubiKey5FIPS, with(leaf, rogue), keypolicy.None},
		{"rogue intermediate and root", yubiKey5FIPS, with(between.leaf(t, yubiKey5FIPS), between, rogue), keypolicy.None},
		{"real root sent along", yubiKey5FIPS, with(leaf, m.yubico), keypolicy.None},
		{"self-signed certificate", yubiKey5FIPS, with(selfSigned), keypolicy.None},
		{"another maker's certificate", yubiKey5FIPS, with(nameless), keypolicy.None},
		{"U2F, rogue certificate", [16]byte{}, func(f *forge) statementFunc { return u2f(t, f, leaf) }, keypolicy.None},
		{"U2F, real AAGUID from the client", yubiKey5FIPS, func(f *forge) statementFunc { return u2f(t, f, selfSigned) }, keypolicy.None},
		{"Apple, rogue CA", yubiKey5FIPS, func(f *forge) statementFunc { return apple(t, f, rogue) }, keypolicy.None},
		{"Android key, rogue CA", yubiKey5FIPS, func(f *forge) statementFunc { return androidKey(t, f, rogue) }, keypolicy.None},
		{"TPM, rogue CA", yubiKey5FIPS, func(f *forge) statementFunc { return tpm(t, f, rogue) }, keypolicy.None},
		{"SafetyNet, rogue CA", yubiKey5FIPS, func(*forge) statementFunc { return safetyNet(t, rogue, time.Now) }, keypolicy.None},
		{"compound of self and self", yubiKey5FIPS, func(f *forge) statementFunc { return compound(self(f), self(f)) }, keypolicy.Self},
		{"compound of self and rogue", yubiKey5FIPS, func(f *forge) statementFunc { return compound(self(f), packed(t, leaf, rogue)) }, keypolicy.None},
		{"compound of rogues", yubiKey5FIPS, func(f *forge) statementFunc {
			return compound(packed(t, leaf), androidKey(t, f, rogue), u2f(t, f, leaf))
		}, keypolicy.None},
	}
}

var attestationSubject = pkix.Name{Country: []string{"SE"}, Organization: []string{"Yubico AB"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Yubico U2F EE Serial 1"}

// TestSpoofTable registers software keys that claim to be a YubiKey 5 FIPS under
// every profile, with the roots in the metadata and pinned. Where nothing is asked
// of the model they may register, and are not believed.
func TestSpoofTable(t *testing.T) {
	m := newMakers(t)
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-34s %-8s", "accepted?", "verdict")
	for _, p := range profiles() {
		fmt.Fprintf(&table, " %-12s", p.name)
	}
	asked, accepted := 0, 0
	row := func(name string, aaguid [16]byte, statement func(f *forge) statementFunc, verdict keypolicy.Verdict, genuine bool) {
		fmt.Fprintf(&table, "\n%-34s %-8s", name, verdict)
		for i, p := range profiles() {
			cfg := config()
			p.profile.InsecureNoUserVerification = strings.HasPrefix(name, "U2F") // which cannot
			cfg.Metadata, cfg.Policy = m.metadata, policyOf(t, p.profile)
			cfg.Roots = []fido.Root{{Certificate: m.yubico.certificate, Hardware: true}, {Certificate: m.cheap.certificate, Models: []keypolicy.AAGUID{trinket}}}
			rp := party(t, cfg, fido.NewMemoryStore())
			key := newForge(t, fido.ES256)
			key.aaguid = aaguid
			_, c := beginRegistration(t, rp, ana)
			credential, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = statement(key) }))
			fmt.Fprintf(&table, " %-12v", err == nil)
			if i == 0 || genuine {
				require.NoError(t, err, "%s, %s", name, p.name)
				require.Equal(t, verdict, credential.Evidence.Verdict, "%s: %s", name, credential.Evidence.Note)
				require.Equal(t, genuine, credential.Evidence.Hardware)
				require.NotEmpty(t, credential.Evidence.Note, "what was sent and not believed is recorded")
				proof, err := signIn(t, rp, ana, key)
				require.NoError(t, err)
				require.Equal(t, verdict, proof.Evidence.Verdict)
				require.Equal(t, genuine, proof.Evidence.Hardware)
				require.Equal(t, genuine, proof.Evidence.FIPS)
				require.Equal(t, "all", proof.Rule)
				require.Equal(t, cfg.Policy.Hash(), proof.PolicyHash)
				continue
			}
			asked++
			if err == nil {
				accepted++
				continue
			}
			var refused *fido.PolicyError
			require.ErrorAs(t, err, &refused, "%s, %s", name, p.name)
			require.NotEmpty(t, refused.Decision.Reasons)
		}
	}
	for _, s := range spoofs(t, m) {
		row(s.name, s.aaguid, s.statement, s.verdict, false)
	}
	row("(a genuine key)", yubiKey5FIPS, func(*forge) statementFunc { return packed(t, m.yubico.leaf(t, yubiKey5FIPS)) }, keypolicy.Rooted, true)
	t.Log(table.String())
	t.Logf("%d of %d spoofs accepted where something is asked of the model", accepted, asked)
	require.Zero(t, accepted)
	require.Equal(t, 19*8, asked)
}

// What was believed at registration does not count at sign-in once the policy
// asks more, and what a key claimed then does not either.
func TestPolicyAtSignIn(t *testing.T) {
	m := newMakers(t)
	for _, s := range spoofs(t, m) {
		store := fido.NewMemoryStore()
		cfg := config()
		cfg.Metadata, cfg.UserVerification = m.metadata, "preferred"
		key := newForge(t, fido.ES256)
		key.aaguid = s.aaguid
		enrol(t, party(t, cfg, store), ana, key, func(d *draft) { d.statement = s.statement(key) })
		for _, p := range profiles()[1:] {
			cfg.Policy = policyOf(t, p.profile)
			_, err := signIn(t, party(t, cfg, store), ana, key)
			var refused *fido.PolicyError
			require.ErrorAs(t, err, &refused, "%s, %s", s.name, p.name)
			require.Equal(t, "all", refused.Decision.Rule)
		}
	}
}
