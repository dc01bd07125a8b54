package fido_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
)

// A person registers a key with an invitation and signs in with it. The client
// is a browser in most cases; here it is a Go program with a software key.
func Example() {
	ctx := context.Background()
	rp, err := fido.New(fido.Config{
		ID:              "localhost",
		Origins:         []string{"http://localhost:8080"},
		InsecureNoAudit: true, // an example leaves no record
	}, fido.NewMemoryStore())
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := softkey.New(softkey.Options{PIN: []byte("246810")})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{UI: typist{}})

	invite, err := rp.Invite(ctx, "ana@example.com", time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	registration, err := rp.BeginRegistration(ctx, fido.RegistrationRequest{Invite: invite})
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := client.Create(ctx, "http://localhost:8080", registration.Options)
	if err != nil {
		fmt.Println(err)
		return
	}
	credential, err := rp.FinishRegistration(ctx, registration.ID, response)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("registered, attestation:", credential.Evidence.Verdict)

	signIn, err := rp.BeginSignIn(ctx, fido.SignInRequest{UserName: "ana@example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if response, err = client.Get(ctx, "http://localhost:8080", signIn.Options); err != nil {
		fmt.Println(err)
		return
	}
	proof, err := rp.FinishSignIn(ctx, signIn.ID, fido.PurposeSignIn, response)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proof.User.Name, "was verified:", proof.UserVerified)

	// An answer is good for one sign-in.
	_, err = rp.FinishSignIn(ctx, signIn.ID, fido.PurposeSignIn, response)
	fmt.Println(err)

	// Output:
	// registered, attestation: self
	// ana@example.com was verified: true
	// fido: no such ceremony: it has expired, was used already or was begun for another purpose; begin again
}
