package softkey_test

import (
	"context"
	"fmt"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// A key that a test touches when it wants to.
func ExampleNew() {
	touch := make(chan struct{})
	key, err := softkey.New(softkey.Options{Touch: func(ctx context.Context) error {
		select {
		case <-touch:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Product: "software key"})
	defer device.Close()
	go func() { touch <- struct{}{} }()
	err = device.Select(context.Background())
	fmt.Println("touched:", err == nil, key.Touches())
	// Output: touched: true 1
}
