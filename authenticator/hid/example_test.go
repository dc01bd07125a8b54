//go:build linux

package hid_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// The keys of this machine, for a Client. Here the only one is a software key.
func ExampleNewSource() {
	key, err := softkey.New(softkey.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	port, err := key.PlugPTY()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Unplug()

	keys := hid.NewSource(hid.Options{Paths: []string{port.Path()}}) // hid.Options{} finds USB keys
	defer keys.Close()
	client := authenticator.NewClient(keys, authenticator.Options{})

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	creation := `{"rp":{"id":"example.org","name":"Example"},"user":{"id":"dXNlci0x","name":"ada","displayName":"Ada"},
		"challenge":"MDEyMzQ1Njc4OWFiY2RlZg","pubKeyCredParams":[{"type":"public-key","alg":-7}]}`
	_, err = client.Create(ctx, "https://example.org", []byte(creation))
	fmt.Println("registered:", err == nil, "touches:", key.Touches())
	// Output: registered: true touches: 1
}

// One key by its path, at the level of CTAPHID.
func ExampleOpen() {
	key, err := softkey.New(softkey.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	port, err := key.PlugPTY()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Unplug()

	ctx := context.Background()
	transport, err := hid.Open(ctx, port.Path())
	if err != nil {
		fmt.Println(err)
		return
	}
	device := authenticator.NewCTAP2(transport, authenticator.Descriptor{Transport: "usb", Path: port.Path()})
	defer device.Close() // and the transport with it
	info, err := device.Info(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(transport.Properties().CTAP2, info.Versions)
	// Output: true [FIDO_2_0 FIDO_2_1]
}
