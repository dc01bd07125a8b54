package fido_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// What has gone wrong in other relying parties must not go wrong here.

// In java-webauthn-server an assertion for a credential of somebody else than the
// person who was named was accepted.
// https://www.yubico.com/support/security-advisories/ysa-2026-02/
func TestYSA202602(t *testing.T) {
	rp := party(t, config(), fido.NewMemoryStore())
	anas, bens := newForge(t, fido.ES256), newForge(t, fido.ES256)
	enrol(t, rp, ana, anas)
	enrol(t, rp, ben, bens)
	for name, change := range map[string]func(*draft){
		"names its owner":              func(*draft) {},
		"names nobody":                 func(d *draft) { d.handle = nil },
		"names whom the ceremony does": func(d *draft) { d.handle = anas.handle },
		"with the victim's ID":         func(d *draft) { d.id = anas.id },
	} {
		c := beginSignIn(t, rp, ana)
		proof, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, bens.assert(t, c.Options, change))
		var failed *fido.VerificationError
		require.ErrorAs(t, err, &failed, name)
		require.Nil(t, proof)
	}
	for name, change := range map[string]func(*draft){
		"names nobody":       func(d *draft) { d.handle = nil },
		"names another user": func(d *draft) { d.handle = anas.handle },
	} {
		c := beginSignIn(t, rp, "")
		_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, bens.assert(t, c.Options, change))
		failsCheck(t, err, "user")
		require.NotNil(t, err, name)
	}
	for _, key := range []*forge{anas, bens} { // and each of them can sign in
		c := beginSignIn(t, rp, "")
		_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, key.assert(t, c.Options))
		require.NoError(t, err)
	}
}

// In SimpleWebAuthn a self-signed root in x5c itself satisfied the check of the
// chain.
// https://github.com/advisories/GHSA-6hxq-p678-4hr2
func TestGHSA6hxqP6784hr2(t *testing.T) {
	m := newMakers(t)
	rogue := newAuthority(t, m.yubico.certificate.Subject.CommonName, nil)
	between := newAuthority(t, "Yubico FIDO Attestation", rogue)
	selfSigned := issue(t, &x509.Certificate{Subject: attestationSubject}, nil)
	for name, statement := range map[string]statementFunc{
		"root in x5c":                  packed(t, rogue.leaf(t, yubiKey5FIPS), rogue),
		"chain and root in x5c":        packed(t, between.leaf(t, yubiKey5FIPS), between, rogue),
		"with the real one behind it":  packed(t, rogue.leaf(t, yubiKey5FIPS), rogue, m.yubico),
		"with the real one before it":  packed(t, rogue.leaf(t, yubiKey5FIPS), m.yubico, rogue),
		"a self-signed leaf":           packed(t, selfSigned),
		"twice":                        packed(t, rogue.leaf(t, yubiKey5FIPS), rogue, rogue),
		"only an intermediate in x5c":  packed(t, between.leaf(t, yubiKey5FIPS), between),
		"leaf alone, of the same name": packed(t, rogue.leaf(t, yubiKey5FIPS)),
	} {
		for source, cfg := range map[string]fido.Config{
			"metadata": {Metadata: m.metadata},
			"pinned":   {Roots: []fido.Root{{Certificate: m.yubico.certificate, Hardware: true}}},
			"nothing":  {},
		} {
			full := config()
			full.Metadata, full.Roots, full.Policy = cfg.Metadata, cfg.Roots, policyOf(t, keypolicy.Profile{Attested: true})
			rp := party(t, full, fido.NewMemoryStore())
			key := newForge(t, fido.ES256)
			key.aaguid = yubiKey5FIPS
			_, c := beginRegistration(t, rp, ana)
			_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = statement }))
			require.Error(t, err, "%s, %s", name, source)
		}
	}
}

// In Keycloak a key with the format none, or with self attestation, passed the
// list of accepted AAGUIDs by claiming one of them.
// https://github.com/keycloak/keycloak/issues/48388 (CVE-2026-6856)
func TestCVE20266856(t *testing.T) {
	m := newMakers(t)
	for name, p := range map[string]keypolicy.Profile{
		"list":                 {AllowModels: []string{"fips"}},
		"list of those denied": {DenyModels: []string{"trinket"}},
		"FIPS by list":         {FIPS: true, FIPSModels: []string{"fips"}},
	} {
		cfg := config()
		cfg.Metadata, cfg.Policy = m.metadata, policyOf(t, p)
		rp := party(t, cfg, fido.NewMemoryStore())
		key := newForge(t, fido.ES256)
		key.aaguid = yubiKey5FIPS
		for format, statement := range map[string]statementFunc{"none": none, "self": packedSelf(t, key)} {
			_, c := beginRegistration(t, rp, ana)
			_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) { d.statement = statement }))
			var refused *fido.PolicyError
			require.ErrorAs(t, err, &refused, "%s, %s", name, format)
		}
	}
}

// In Keycloak a policy about the attachment of keys was passed by a client that
// left the member out. Here it is not the client who is asked.
// https://github.com/keycloak/keycloak/issues/50729
func TestKeycloak50729(t *testing.T) {
	m := newMakers(t)
	cfg := config()
	cfg.Metadata, cfg.Policy = m.metadata, policyOf(t, keypolicy.Profile{Attachment: "platform"})
	rp := party(t, cfg, fido.NewMemoryStore())
	for name, outer := range map[string]map[string]any{
		"left out":       {},
		"null":           {"authenticatorAttachment": nil},
		"platform":       {"authenticatorAttachment": "platform"},
		"cross-platform": {"authenticatorAttachment": "cross-platform"},
		"unknown":        {"authenticatorAttachment": "PLATFORM"},
	} {
		for _, genuine := range []bool{true, false} {
			key := newForge(t, fido.ES256)
			key.aaguid = yubiKey5FIPS
			_, c := beginRegistration(t, rp, ana)
			_, err := rp.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options, func(d *draft) {
				if d.outer = outer; genuine {
					d.statement = packed(t, m.yubico.leaf(t, yubiKey5FIPS))
				}
			}))
			refusedFor(t, err, "attachment")
			require.NotEmpty(t, name)
		}
	}
	cfg.Policy = policyOf(t, keypolicy.Profile{Attachment: "cross-platform"})
	genuineKey(t, party(t, cfg, fido.NewMemoryStore()), m.yubico)
}
