package keypolicy_test

import (
	"fmt"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

func ExampleParse() {
	policy, err := keypolicy.Parse("policy.yaml", []byte(`
version: 1
models:
  yubikey-5-fips: [c1f9a0bc-1dd2-404a-b27f-8e29047a43fd]
rules:
  - name: administrators
    groups: [admins]
    profile: fips
    allow_models: [yubikey-5-fips]
  - name: everybody
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	// A software key that claims to be the right model.
	claim := keypolicy.Evidence{UserVerified: true, Note: "no attestation"}
	claim.AAGUID, _ = keypolicy.ParseAAGUID("c1f9a0bc-1dd2-404a-b27f-8e29047a43fd")
	fmt.Println(policy.Decide(keypolicy.Subject{User: "bob@example.com"}, claim))
	for _, r := range policy.Decide(keypolicy.Subject{User: "ana@example.com", Groups: []string{"admins"}}, claim).Reasons {
		fmt.Println(r)
	}
	// Output:
	// allowed by rule "everybody"
	// attested: wants an attestation that chains to a root we hold, found none (no attestation)
	// device_bound: wants a key that stays on one device, found a claim (no attestation)
	// hardware: wants a key kept in hardware, found a claim (no attestation)
	// fips: wants a key validated to FIPS 140, found a claim (no attestation)
	// allow_models: wants yubikey-5-fips, found a claim (no attestation)
}

func ExampleNew() {
	policy, err := keypolicy.New(nil,
		keypolicy.Rule{Name: "admins", Groups: []string{"admins"}, Profile: keypolicy.AttestedHardware(), MaxKeys: 3},
		keypolicy.Rule{Name: "everybody", Approval: keypolicy.ApprovalUnlessRooted},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(policy.Decide(keypolicy.Subject{User: "bob@example.com"}, keypolicy.Evidence{UserVerified: true}))
	// Output: needs approval by rule "everybody": approval: wants unless-rooted, found a new key (somebody else has to approve it)
}

func ExampleSyntaxError() {
	_, err := keypolicy.Parse("policy.yaml", []byte("version: 1\nrules:\n  - name: everybody\n    profile: hardware\n"))
	fmt.Println(err)
	// Output: keypolicy: policy.yaml:4: rules[0].profile: "hardware" is no profile; allowed: any-passkey, device-bound, attested-hardware, fips
}
