package fido_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// step is a verification step of WebAuthn Level 3, and what shows that it is
// taken: a response that is right in everything else.
type step struct {
	name       string
	cannotFail string // why nothing shows it

	config func(*fido.Config)
	good   func(*draft) // what a right response has for this step
	bad    func(*draft) // what is wrong with the other one, beside good
	store  func(*stepStore)
	check  string // the check that a *fido.VerificationError names
	is     error  // or the error itself
	policy bool   // or a *fido.PolicyError
}

func (s step) refused(t *testing.T, err error) {
	t.Helper()
	switch {
	case s.is != nil:
		require.ErrorIs(t, err, s.is)
	case s.policy:
		var refused *fido.PolicyError
		require.ErrorAs(t, err, &refused)
	default:
		failsCheck(t, err, s.check)
	}
}

// stepStore fails where a step says so.
type stepStore struct {
	fido.Store
	add, update error
}

func (s *stepStore) AddCredential(ctx context.Context, c fido.Credential, a fido.Addition) error {
	if s.add != nil {
		return s.add
	}
	return s.Store.AddCredential(ctx, c, a)
}

func (s *stepStore) UpdateCredential(ctx context.Context, c fido.Credential) error {
	if s.update != nil {
		return s.update
	}
	return s.Store.UpdateCredential(ctx, c)
}

var errStep = errors.New("the disk is on fire")

// replaced changes one thing in the client data.
func replaced(old, fresh string) func(*draft) {
	return func(d *draft) {
		was := string(d.clientDataJSON())
		if d.clientData = []byte(strings.Replace(was, old, fresh, 1)); string(d.clientData) == was {
			panic("nothing was replaced")
		}
	}
}

func truncated(d *draft) { d.clientData = d.clientDataJSON()[:len(d.clientDataJSON())-1] }

// TestRegistrationSteps takes the 29 steps of §7.1, in its order.
// https://www.w3.org/TR/webauthn-3/#sctn-registering-a-new-credential
func TestRegistrationSteps(t *testing.T) {
	maker := newAuthority(t, "Maker", nil)
	model := [16]byte{1, 2, 3}
	attested := func(d *draft) { d.statement = packed(t, maker.leaf(t, model)) }
	requiring := func(p keypolicy.Profile) func(*fido.Config) {
		return func(c *fido.Config) {
			c.Roots, c.Policy = []fido.Root{{Certificate: maker.certificate, Hardware: true}}, policyOf(t, p)
		}
	}
	steps := []step{
		{name: "Let options be a new CredentialCreationOptions structure", cannotFail: "the relying party makes it; what is in it is tested in TestOptionsSayWhatIsConfigured"},
		{name: "Call navigator.credentials.create() and pass options as the argument", cannotFail: "the client does; a promise that it rejects never arrives here"},
		{name: "If response is not an instance of AuthenticatorAttestationResponse, abort", check: "response", bad: func(d *draft) {
			d.outer = map[string]any{"response": map[string]any{"clientDataJSON": b64(d.clientDataJSON()), "authenticatorData": "AA", "signature": "AA"}}
		}},
		{name: "Let clientExtensionResults be the result of calling credential.getClientExtensionResults()", check: "response", bad: func(d *draft) {
			d.outer = map[string]any{"clientExtensionResults": "none"}
		}},
		{name: "Let JSONtext be the result of running UTF-8 decode on response.clientDataJSON", check: "client data", bad: func(d *draft) { d.more = ",\"x\":\"\xff\"" }},
		{name: "Let C be the result of running a JSON parser on JSONtext", check: "client data", bad: truncated},
		{name: "Verify that the value of C.type is webauthn.create", check: "type", bad: replaced("webauthn.create", "webauthn.get")},
		{name: "Verify that the value of C.challenge equals the base64url encoding of pkOptions.challenge", check: "challenge", bad: func(d *draft) { d.challenge = b64(make([]byte, 32)) }},
		{name: "Verify that the value of C.origin is an origin expected by the Relying Party", check: "origin", bad: func(d *draft) { d.origin = "https://evil.example.com" }},
		{name: "If C.crossOrigin is present and set to true, verify that an iframe is expected", check: "crossOrigin", bad: replaced(`"crossOrigin":false`, `"crossOrigin":true`)},
		{name: "If C.topOrigin is present, verify that an iframe and the page around it are expected", check: "crossOrigin", bad: func(d *draft) { d.more = `,"topOrigin":"https://login.example.com"` }},
		{name: "Let hash be the result of computing a hash over response.clientDataJSON using SHA-256", check: "attestation", good: attested, bad: func(d *draft) {
			signed := d.statement // over the hash of other client data
			d.statement = func(authData, _ []byte) (string, any) { return signed(authData, make([]byte, 32)) }
		}},
		{name: "Perform CBOR decoding on the attestationObject field", check: "response", bad: func(d *draft) { d.response = map[string]any{"attestationObject": b64([]byte{0xa1, 0x63})} }},
		{name: "Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID", check: "RP ID", bad: func(d *draft) { d.rpID = "evil.org" }},
		{name: "If mediation is not set to conditional, verify that the UP bit of the flags is set", check: "user presence", bad: func(d *draft) { d.flags &^= up }},
		{name: "If the Relying Party requires user verification, verify that the UV bit of the flags is set", check: "user verification", bad: func(d *draft) { d.flags &^= uv }},
		{name: "If the BE bit of the flags is not set, verify that the BS bit is not set", check: "backup state", bad: func(d *draft) { d.flags |= bs }},
		{name: "If the Relying Party uses the credential's backup eligibility, evaluate the BE bit", policy: true, config: requiring(keypolicy.DeviceBound()), good: attested, bad: func(d *draft) { d.flags |= be }},
		{name: "If the Relying Party uses the credential's backup state, evaluate the BS bit", policy: true, config: requiring(keypolicy.DeviceBound()), good: attested, bad: func(d *draft) { d.flags |= be | bs }},
		{name: "Verify that the alg parameter matches one of the items in pkOptions.pubKeyCredParams", check: "algorithm", config: func(c *fido.Config) { c.Algorithms = []fido.Algorithm{fido.EdDSA, fido.RS256} }},
		{name: "Determine the attestation statement format by performing a case-sensitive match on fmt", check: "attestation", bad: func(d *draft) {
			d.statement = func(_, _ []byte) (string, any) { return "None", map[string]any{} }
		}},
		{name: "Verify that attStmt is a correct attestation statement, conveying a valid attestation signature", check: "attestation", good: attested, bad: func(d *draft) {
			d.statement = func(_, _ []byte) (string, any) {
				return "packed", map[string]any{"alg": -7, "sig": []byte{0x30, 6, 2, 1, 1, 2, 1, 1}, "x5c": [][]byte{maker.leaf(t, model).certificate.Raw}}
			}
		}},
		{name: "If validation is successful, obtain a list of acceptable trust anchors", cannotFail: "a list without the right one is an empty one: then the next step refuses"},
		{name: "Assess the attestation trustworthiness", policy: true, config: requiring(keypolicy.Profile{Attested: true}), good: attested, bad: func(d *draft) {
			d.statement = packed(t, newAuthority(t, "Maker", nil).leaf(t, model))
		}},
		{name: "Verify that the credentialId is at most 1023 bytes", check: "response"},
		{name: "Verify that the credentialId is not yet registered for any user", is: fido.ErrCredentialExists},
		{name: "Let credentialRecord be a new credential record", cannotFail: "it is made of what the steps before have verified; TestRegistrationAndSignIn compares it"},
		{name: "Process the client and authenticator extension outputs", check: "response", bad: func(d *draft) { d.flags |= ed; d.extensions = []byte{0xff} }},
		{name: "If all the above steps are successful, store credentialRecord in the user account", is: errStep, store: func(s *stepStore) { s.add = errStep }},
	}
	require.Len(t, steps, 29)
	for n, s := range steps {
		t.Run(fmt.Sprintf("%02d %s", n+1, s.name), func(t *testing.T) {
			if s.cannotFail != "" {
				t.Log("cannot fail here:", s.cannotFail)
				return
			}
			try := func(f *forge, name string, store fido.Store, settings func(*fido.Config), changes ...func(*draft)) error {
				cfg := config()
				if settings != nil {
					settings(&cfg)
				}
				rp := party(t, cfg, store)
				_, c := beginRegistration(t, rp, name)
				f.aaguid = model
				_, err := rp.FinishRegistration(t.Context(), c.ID, f.register(t, c.Options, func(d *draft) {
					for _, change := range changes {
						if change != nil {
							change(d)
						}
					}
				}))
				return err
			}
			key, store := newForge(t, fido.ES256), &stepStore{Store: fido.NewMemoryStore()}
			bad, control := s.config, s.config
			switch n + 1 {
			case 20: // what is wrong is what was asked for
				control = nil
			case 25:
				key.id = make([]byte, 1024)
			case 26:
				require.NoError(t, try(key, ben, store, nil))
			}
			right := newForge(t, fido.ES256)
			if n+1 == 25 {
				right.id = bytes.Repeat([]byte{1}, 1023)
			}
			require.NoError(t, try(right, ana, store, control, s.good), "the response is wrong in something else")
			if s.store != nil {
				s.store(store)
			}
			s.refused(t, try(key, ana, store, bad, s.good, s.bad))
			_, err := store.Credential(t.Context(), key.id)
			if n+1 != 26 {
				require.ErrorIs(t, err, fido.ErrNotFound)
			}
		})
	}
}

// TestSignInSteps takes the 25 steps of §7.2, in its order.
// https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion
func TestSignInSteps(t *testing.T) {
	steps := []step{
		{name: "Let options be a new CredentialRequestOptions structure", cannotFail: "the relying party makes it; what is in it is tested in TestOptionsSayWhatIsConfigured"},
		{name: "Call navigator.credentials.get() and pass options as the argument", cannotFail: "the client does; a promise that it rejects never arrives here"},
		{name: "If response is not an instance of AuthenticatorAssertionResponse, abort", check: "response", bad: func(d *draft) {
			d.outer = map[string]any{"response": map[string]any{"clientDataJSON": b64(d.clientDataJSON()), "attestationObject": "AA"}}
		}},
		{name: "Let clientExtensionResults be the result of calling credential.getClientExtensionResults()", check: "response", bad: func(d *draft) {
			d.outer = map[string]any{"clientExtensionResults": "none"}
		}},
		{name: "If pkOptions.allowCredentials is not empty, verify that credential.id is listed in it", check: "credential"},
		{name: "Identify the user being authenticated and let credentialRecord be the record for the credential", check: "user", bad: func(d *draft) { d.handle = []byte("somebody else") }},
		{name: "Let cData, authData and sig denote the values of response", check: "response", bad: func(d *draft) { d.response = map[string]any{"authenticatorData": ""} }},
		{name: "Let JSONtext be the result of running UTF-8 decode on the value of cData", check: "client data", bad: func(d *draft) { d.more = ",\"x\":\"\xff\"" }},
		{name: "Let C be the result of running a JSON parser on JSONtext", check: "client data", bad: truncated},
		{name: "Verify that the value of C.type is the string webauthn.get", check: "type", bad: replaced("webauthn.get", "webauthn.create")},
		{name: "Verify that the value of C.challenge equals the base64url encoding of pkOptions.challenge", check: "challenge", bad: func(d *draft) { d.challenge = b64(make([]byte, 32)) }},
		{name: "Verify that the value of C.origin is an origin expected by the Relying Party", check: "origin", bad: func(d *draft) { d.origin = "https://evil.example.com" }},
		{name: "If C.crossOrigin is present and set to true, verify that an iframe is expected", check: "crossOrigin", bad: replaced(`"crossOrigin":false`, `"crossOrigin":true`)},
		{name: "If C.topOrigin is present, verify that an iframe and the page around it are expected", check: "crossOrigin", bad: func(d *draft) { d.more = `,"topOrigin":"https://login.example.com"` }},
		{name: "Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID", check: "RP ID", bad: func(d *draft) { d.rpID = "evil.org" }},
		{name: "Verify that the UP bit of the flags in authData is set", check: "user presence", bad: func(d *draft) { d.flags &^= up }},
		{name: "If user verification was determined to be required, verify that the UV bit is set", check: "user verification", bad: func(d *draft) { d.flags &^= uv }},
		{name: "If the BE bit of the flags is not set, verify that the BS bit is not set", check: "backup state", bad: func(d *draft) { d.flags |= bs }},
		{name: "Compare currentBe and currentBs with credentialRecord.backupEligible and backupState", check: "backup eligibility", bad: func(d *draft) { d.flags |= be }},
		{name: "Let hash be the result of computing a hash over the cData using SHA-256", check: "signature", bad: func(d *draft) {
			// As valid as what was signed, and not what was signed.
			d.response = map[string]any{"clientDataJSON": b64([]byte(strings.Replace(string(d.clientDataJSON()), ",", ", ", 1)))}
		}},
		{name: "Using credentialRecord.publicKey, verify that sig is a valid signature over authData and hash", check: "signature", bad: func(d *draft) {
			d.response = map[string]any{"signature": b64([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})}
		}},
		{name: "If authData.signCount is less than or equal to credentialRecord.signCount, it may be cloned", check: "sign count", good: func(d *draft) { d.count = 7 }, bad: func(d *draft) { d.count = 6 }},
		{name: "Process the client and authenticator extension outputs", check: "authenticator data", bad: func(d *draft) { d.flags |= ed; d.extensions = []byte{0xff} }},
		{name: "Update credentialRecord with new state values", is: errStep, store: func(s *stepStore) { s.update = errStep }},
		{name: "If all the above steps are successful, continue the ceremony as appropriate", is: fido.ErrCeremonyNotFound},
	}
	require.Len(t, steps, 25)
	for n, s := range steps {
		t.Run(fmt.Sprintf("%02d %s", n+1, s.name), func(t *testing.T) {
			if s.cannotFail != "" {
				t.Log("cannot fail here:", s.cannotFail)
				return
			}
			store := &stepStore{Store: fido.NewMemoryStore()}
			rp := party(t, config(), store)
			key, strangers := newForge(t, fido.ES256), newForge(t, fido.ES256)
			enrol(t, rp, ana, key)
			enrol(t, rp, ben, strangers)
			change := func(changes ...func(*draft)) func(*draft) {
				return func(d *draft) {
					for _, c := range changes {
						if c != nil {
							c(d)
						}
					}
				}
			}
			_, err := signIn(t, rp, ana, key, change(s.good))
			require.NoError(t, err, "the response is wrong in something else")
			if s.store != nil {
				s.store(store)
			}
			answering := key
			if n+1 == 5 {
				answering = strangers
			}
			c := beginSignIn(t, rp, ana)
			response := answering.assert(t, c.Options, change(s.good, s.bad))
			if n+1 == 25 { // what has been continued once is not continued again
				_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, response)
				require.NoError(t, err)
			}
			proof, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, response)
			s.refused(t, err)
			require.Nil(t, proof)
		})
	}
}
