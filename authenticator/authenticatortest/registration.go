package authenticatortest

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"testing"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

func info(t *testing.T, b *bench) {
	aaguid := [16]byte{1, 2, 3, 15: 4}
	d, key := b.device(t, softkey.Options{AAGUID: aaguid, PIN: []byte("1234")})
	got, err := d.Info(background(t))
	must(t, err)
	check(t, slices.Contains(got.Versions, "FIDO_2_1"), "versions %v", got.Versions)
	check(t, slices.Contains(got.Extensions, "credProtect"), "extensions %v", got.Extensions)
	check(t, got.AAGUID == aaguid, "AAGUID %x", got.AAGUID)
	check(t, slices.Equal(got.PINProtocols, []int{2, 1}), "PIN protocols %v", got.PINProtocols)
	for name, want := range map[string]bool{"rk": true, "up": true, "plat": false, "clientPin": true, "pinUvAuthToken": true} {
		value, present := got.Options[name]
		check(t, present && value == want, "option %s is %v, present: %v", name, value, present)
	}
	check(t, key.Touches() == 0, "info took %d touches", key.Touches())
	if b.limits.BareInfo {
		check(t, got.MaxMessageSize == 0 && got.MaxCredentialCount == 0 && got.MaxCredentialIDLength == 0 && got.Transports == nil &&
			got.Algorithms == nil && got.MinPINLength == 0 && got.FirmwareVersion == 0 && got.RemainingCredentials == -1,
			"BareInfo is no limit any more: %+v", got)
		return
	}
	check(t, got.MaxMessageSize > 0 && got.MaxCredentialCount == 8 && got.MaxCredentialIDLength == 32, "limits in %+v", got)
	check(t, slices.Equal(got.Transports, []string{"usb"}) && slices.Equal(got.Algorithms, []int{-7, -8}), "transports or algorithms in %+v", got)
	check(t, got.MinPINLength == 4 && got.FirmwareVersion == 1 && got.RemainingCredentials > 0, "numbers in %+v", got)
}

func registersAndSignsIn(t *testing.T, b *bench) {
	d, key := b.device(t, softkey.Options{})
	made := register(t, d, creation("alice"))
	check(t, key.Touches() == 1, "%d touches to register", key.Touches())
	first := signIn(t, d, made, assertion(made.CredentialID))
	second := signIn(t, d, made, assertion(made.CredentialID))
	check(t, key.Touches() == 3, "%d touches after two sign-ins", key.Touches())
	check(t, !bytes.Equal(first.AuthenticatorData, second.AuthenticatorData), "the signature counter stands still")
	check(t, first.User.ID == nil, "a credential that is not discoverable tells its user")
}

func attestation(t *testing.T, b *bench) {
	t.Run("self", func(t *testing.T) {
		for _, alg := range []int{-7, -8} {
			d, _ := b.device(t, softkey.Options{})
			req := creation("alice")
			req.Algorithms = []int{alg}
			made := register(t, d, req)
			check(t, made.Format == "packed", "format %q", made.Format)
			s := parseStatement(t, made)
			public, _, _ := credentialKey(t, made.AuthenticatorData)
			check(t, s.Algorithm == alg && s.Chain == nil, "statement %+v", s)
			verifySignature(t, public, slices.Concat(made.AuthenticatorData, req.ClientDataHash), s.Signature)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		ca, err := softkey.NewCA("maker")
		must(t, err)
		d, _ := b.device(t, softkey.Options{CA: ca})
		req := creation("alice")
		req.Algorithms = []int{-8} // the statement has the algorithm of the attestation key, not this one
		made := register(t, d, req)
		s := parseStatement(t, made)
		certificates := 2 // and the root, which the relying party has
		if b.limits.LeafOnly {
			certificates = 1
		}
		check(t, made.Format == "packed" && s.Algorithm == -7 && len(s.Chain) == certificates,
			"format %q, algorithm %d, %d certificates, want %d", made.Format, s.Algorithm, len(s.Chain), certificates)
		leaf, err := x509.ParseCertificate(s.Chain[0])
		must(t, err)
		if !b.limits.LeafOnly {
			intermediate, err := x509.ParseCertificate(s.Chain[1])
			must(t, err)
			must(t, leaf.CheckSignatureFrom(intermediate))
			must(t, intermediate.CheckSignatureFrom(ca.Certificate()))
		}
		verifySignature(t, leaf.PublicKey, slices.Concat(made.AuthenticatorData, req.ClientDataHash), s.Signature)
	})
	t.Run("none", func(t *testing.T) {
		d, _ := b.device(t, softkey.Options{NoAttestation: true})
		made := register(t, d, creation("alice"))
		check(t, made.Format == "none" && bytes.Equal(made.AttestationStatement, []byte{0xA0}), "format %q, statement %x", made.Format, made.AttestationStatement)
	})
}

func algorithms(t *testing.T, b *bench) {
	for _, test := range []struct {
		asked, known []int
		want         int
	}{
		{[]int{-8, -7}, nil, -8},
		{[]int{-7, -8}, nil, -7},
		{[]int{-257, -35, -8, -7}, []int{-7}, -7},
		{[]int{-48, -12345, -8}, nil, -8}, // what libfido2 has never heard of is passed over
	} {
		d, key := b.device(t, softkey.Options{Algorithms: test.known})
		req := creation("alice")
		req.Algorithms = test.asked
		_, alg, _ := credentialKey(t, register(t, d, req).AuthenticatorData)
		check(t, alg == test.want && key.Touches() == 1, "of %v: %d with %d touches, want %d with 1", test.asked, alg, key.Touches(), test.want)
	}
	d, key := b.device(t, softkey.Options{})
	req := creation("alice")
	req.Algorithms = []int{-257, -35}
	_, err := d.MakeCredential(background(t), req)
	isError(t, err, authenticator.ErrUnsupportedAlgorithm)
	check(t, key.Touches() == 0, "%d touches for nothing", key.Touches())
}

// strangers are credential IDs that no key here has made.
func strangers(n int) (ids [][]byte) {
	for i := range n {
		ids = append(ids, hash(fmt.Sprint("stranger ", i)))
	}
	return ids
}

func exclude(t *testing.T, b *bench) {
	for _, test := range []struct {
		name string
		list func(own []byte) [][]byte
		want error
	}{
		{"its own", func(own []byte) [][]byte { return [][]byte{own} }, authenticator.ErrExcluded},
		{"strangers", func([]byte) [][]byte { return strangers(3) }, nil},
		{"its own, last of twenty", func(own []byte) [][]byte { return append(strangers(19), own) }, authenticator.ErrExcluded},
		{"twenty strangers", func([]byte) [][]byte { return strangers(20) }, nil},
		{"too long to be its own", func(own []byte) [][]byte { return [][]byte{make([]byte, 300), own} }, authenticator.ErrExcluded},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, key := b.device(t, softkey.Options{})
			own := register(t, d, creation("alice")).CredentialID
			req := creation("bob")
			req.Exclude = test.list(own)
			_, err := d.MakeCredential(background(t), req)
			check(t, test.want == nil && err == nil || test.want != nil && isStatus(err, test.want), "error %v, want %v", err, test.want)
			check(t, key.Touches() == 2, "%d touches, want one more: nobody may ask in silence who is registered", key.Touches())
		})
	}
	t.Run("at another relying party", func(t *testing.T) {
		d, _ := b.device(t, softkey.Options{})
		own := register(t, d, creation("alice")).CredentialID
		req := creation("alice")
		req.RPID, req.Exclude = "example.net", [][]byte{own}
		register(t, d, req)
	})
	t.Run("hidden until the user is verified", func(t *testing.T) {
		secret := []byte("1234")
		d, _ := b.device(t, softkey.Options{PIN: secret})
		req := creation("alice")
		req.PIN, req.CredProtect = secret, 3
		own := register(t, d, req).CredentialID
		again := creation("alice")
		again.PIN, again.Exclude = secret, [][]byte{own}
		_, err := d.MakeCredential(background(t), again)
		isError(t, err, authenticator.ErrExcluded)
	})
	t.Run("cancelled before the touch", func(t *testing.T) {
		touch := newFinger()
		d, key := b.device(t, softkey.Options{Touch: touch.wait})
		touch.press(1)
		own := register(t, d, creation("alice")).CredentialID
		req := creation("bob")
		req.Exclude = [][]byte{own}
		ctx, cancel := context.WithCancel(background(t))
		touch.onWait(cancel)
		_, err := d.MakeCredential(ctx, req)
		isError(t, err, context.Canceled)
		check(t, key.Touches() == 1, "%d touches", key.Touches())
	})
}

func isStatus(err, want error) bool {
	s, ok := asStatus(err)
	return ok && s == want
}
