package fido_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// typist is a person who knows the PIN.
type typist struct{}

func (typist) Touch(context.Context, authenticator.Prompt) (func(), error)  { return func() {}, nil }
func (typist) Verify(context.Context, authenticator.Prompt) (func(), error) { return func() {}, nil }
func (typist) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	return []byte("246810"), nil
}
func (typist) ChooseAccount(context.Context, string, []authenticator.User) (int, error) {
	return 0, nil
}
func (typist) Insert(context.Context) error { return authenticator.ErrNoDevice }

// TestWithClientAndKey lets our client and the software key meet the relying
// party over the wire format alone.
func TestWithClientAndKey(t *testing.T) {
	ca, err := softkey.NewCA("Test keys")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		options softkey.Options
		verdict keypolicy.Verdict
		format  string
	}{
		"no attestation": {softkey.Options{NoAttestation: true}, keypolicy.None, "none"},
		"self":           {softkey.Options{}, keypolicy.Self, "packed"},
		"certificate":    {softkey.Options{CA: ca}, keypolicy.Rooted, "packed"},
		"EdDSA":          {softkey.Options{CA: ca, Algorithms: []int{-8}}, keypolicy.Rooted, "packed"},
	} {
		for storeName, store := range stores(t) {
			t.Run(name+"/"+storeName, func(t *testing.T) {
				cfg := fido.Config{
					ID: "localhost", Origins: []string{"http://localhost:8080"}, InsecureNoAudit: true,
					Roots: []fido.Root{{Certificate: ca.Certificate(), Hardware: true}},
				}
				rp := party(t, cfg, store)
				c.options.PIN = []byte("246810")
				key, err := softkey.New(c.options)
				require.NoError(t, err)
				client := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{UI: typist{}})

				invite, ceremony := beginRegistration(t, rp, ana)
				response, err := client.Create(t.Context(), "http://localhost:8080", ceremony.Options)
				require.NoError(t, err)
				credential, err := rp.FinishRegistration(t.Context(), ceremony.ID, response)
				require.NoError(t, err)
				require.Equal(t, c.verdict, credential.Evidence.Verdict, credential.Evidence.Note)
				require.Equal(t, c.verdict == keypolicy.Rooted, credential.Evidence.Hardware)
				require.Equal(t, c.format, credential.Evidence.Format)
				require.True(t, credential.UserVerified)
				_, err = rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
				require.ErrorIs(t, err, fido.ErrInviteInvalid)

				for _, name := range []string{ana, "", ana} {
					ceremony := beginSignIn(t, rp, name)
					response, err := client.Get(t.Context(), "http://localhost:8080", ceremony.Options)
					require.NoError(t, err)
					proof, err := rp.FinishSignIn(t.Context(), ceremony.ID, fido.PurposeSignIn, response)
					require.NoError(t, err)
					require.Equal(t, ana, proof.User.Name)
					require.Equal(t, c.verdict, proof.Evidence.Verdict)
					require.True(t, proof.UserVerified)
				}
				require.Equal(t, 4, key.Touches())
			})
		}
	}
}
