package authenticator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// A sign-in, with a software key in place of hid.NewSource, which finds those of people.
// What the relying party sends goes in, and what comes out goes back to it.
func Example() {
	ctx, origin := context.Background(), "https://login.example.org"
	key, err := softkey.New(softkey.Options{})
	if err != nil {
		log.Fatal(err)
	}
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{})
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{})

	registration, err := client.Create(ctx, origin, []byte(`{"rp":{"id":"example.org","name":"Example"},"challenge":"MDEyMzQ1Njc4OWFiY2RlZg",
		"user":{"id":"dXNlci0x","name":"ada","displayName":"Ada"},"authenticatorSelection":{"residentKey":"required"}}`))
	if err != nil {
		log.Fatal(err)
	}
	signIn, err := client.Get(ctx, origin, []byte(`{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA"}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(json.Valid(registration), json.Valid(signIn), key.Touches(), "touches")
	// Output: true true 2 touches
}

// A registration and a sign-in. The options come from the relying party and the
// responses go back to it; the program only passes them on.
func ExampleClient() {
	key, err := softkey.New(softkey.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Product: "software key"})
	defer device.Close()
	client := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{})

	ctx := context.Background()
	creation := `{"rp":{"id":"example.org","name":"Example"},
		"user":{"id":"dXNlci0x","name":"ada@example.org","displayName":"Ada"},
		"challenge":"MDEyMzQ1Njc4OWFiY2RlZg","pubKeyCredParams":[{"type":"public-key","alg":-7}],
		"authenticatorSelection":{"residentKey":"required"}}`
	if _, err := client.Create(ctx, "https://login.example.org", []byte(creation)); err != nil {
		fmt.Println(err)
		return
	}
	request := `{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA"}`
	response, err := client.Get(ctx, "https://login.example.org", []byte(request))
	if err != nil {
		fmt.Println(err)
		return
	}
	var signIn struct {
		Response struct{ UserHandle string }
	}
	if err := json.Unmarshal(response, &signIn); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed in:", signIn.Response.UserHandle == "dXNlci0x", "touches:", key.Touches())

	_, err = client.Get(ctx, "https://example.org.evil.example", []byte(request))
	fmt.Println("another site is refused:", errors.Is(err, authenticator.ErrOrigin))
	// Output:
	// signed in: true touches: 2
	// another site is refused: true
}

// What to tell a person depends on the error.
func ExamplePINError() {
	err := fmt.Errorf("verifying the user: %w", &authenticator.PINError{Retries: 2, Status: 0x31})
	var wrong *authenticator.PINError
	if errors.As(err, &wrong) && !wrong.PowerCycleNeeded {
		fmt.Println("wrong PIN,", wrong.Retries, "left")
	}
	// Output: wrong PIN, 2 left
}
