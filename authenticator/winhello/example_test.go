package winhello_test

import (
	"errors"
	"fmt"

	"github.com/lakekey/lakekey/authenticator/winhello"
)

// Elsewhere than on Windows a program takes another way to the key.
func ExampleNew() {
	client, err := winhello.New(winhello.Options{})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		fmt.Println("not Windows: use authenticator/hid")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("API version", client.Version())
	}
}
