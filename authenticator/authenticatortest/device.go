package authenticatortest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// Limits are what a backend cannot do. The zero value is a backend without any.
type Limits struct {
	FirstAccountOnly bool // GetAssertion returns the most recent account, without its names
	BareInfo         bool // Info has versions, extensions, AAGUID, options and PIN protocols only
	BlindToBlock     bool // PINRetries does not know that a power cycle is needed
	MuteSelect       bool // Select fails without the key's status
	LeafOnly         bool // of an attestation certificate chain, the first one is returned
	NoSensor         bool // an exclude list misses what credProtect hides from all but the sensor
}

// Open makes a Device of a key. It registers the clean-up.
type Open func(t testing.TB, key authenticator.Transport) authenticator.Device

// TestDevice tests the devices that open makes, each of a software key of its own.
func TestDevice(t *testing.T, open Open, l Limits) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *bench)
	}{
		{"info", info},
		{"registers and signs in", registersAndSignsIn},
		{"attestation", attestation},
		{"algorithms in order", algorithms},
		{"discoverable credentials", discoverable},
		{"exclude list", exclude},
		{"allow list", allow},
		{"credential protection", protection},
		{"a client's ceremonies", ceremonies},
		{"PIN", pin},
		{"wrong PINs", wrongPINs},
		{"a PIN that no key has", impossiblePINs},
		{"a sensor", sensor},
		{"select", selects},
		{"a refusal is not a cancellation", refusal},
		{"cancelled while it waits for a touch", cancelled},
		{"cancelled at any moment", cancelledAtAnyMoment},
		{"a done ctx wakes no key", done},
		{"nonsense is refused", nonsense},
		{"used by many", concurrent},
		{"closed", closed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, &bench{open: open, limits: l}) })
	}
}

// bench makes devices for one test.
type bench struct {
	open   Open
	limits Limits
}

// patience ends a test whose device hangs; nothing is measured with it.
const patience = 30 * time.Second

func (b *bench) device(t *testing.T, o softkey.Options) (authenticator.Device, *softkey.Key) {
	t.Helper()
	key, err := softkey.New(o)
	must(t, err)
	t.Cleanup(func() { key.Close() })
	return b.open(t, key), key
}

// context ends before the test binary would.
func background(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf(format, args...)
	}
}

func isError(t testing.TB, err, target error) {
	t.Helper()
	check(t, errors.Is(err, target), "error %v, want %v", err, target)
}

const rpID = "example.org"

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// creation is a request that any key fulfils.
func creation(user string) *authenticator.MakeCredentialRequest {
	return &authenticator.MakeCredentialRequest{
		ClientDataHash: hash("create"),
		RPID:           rpID,
		RPName:         "Example",
		User:           authenticator.User{ID: []byte(user), Name: user + "@example.org", DisplayName: user},
		Algorithms:     []int{-7},
	}
}

func assertion(allow ...[]byte) *authenticator.GetAssertionRequest {
	return &authenticator.GetAssertionRequest{ClientDataHash: hash("get"), RPID: rpID, Allow: allow}
}

func register(t testing.TB, d authenticator.Device, req *authenticator.MakeCredentialRequest) *authenticator.MakeCredentialResult {
	t.Helper()
	made, err := d.MakeCredential(background(t), req)
	must(t, err)
	verifyCreation(t, req, made)
	return made
}

// signIn signs and verifies what it gets with the key of the credential.
func signIn(t testing.TB, d authenticator.Device, made *authenticator.MakeCredentialResult, req *authenticator.GetAssertionRequest) *authenticator.Assertion {
	t.Helper()
	found, err := d.GetAssertion(background(t), req)
	must(t, err)
	check(t, len(found) == 1, "%d assertions, want 1", len(found))
	a := &found[0]
	check(t, bytes.Equal(a.CredentialID, made.CredentialID), "signed by credential %x, want %x", a.CredentialID, made.CredentialID)
	verifyAssertion(t, req, made, a)
	return a
}
