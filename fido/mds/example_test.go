package mds_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/lakekey/lakekey/fido/mds"
)

// A server keeps metadata current in the background and asks for it when it
// decides about a key.
func Example() {
	source, err := mds.NewSource(mds.SourceConfig{File: "/var/lib/lakekey/mds.jwt"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go source.Run(ctx)

	model := [16]byte{0xc1, 0xf9, 0xa0, 0xbc, 0x1d, 0xd2, 0x40, 0x4a, 0xb2, 0x7f, 0x8e, 0x29, 0x04, 0x7a, 0x43, 0xfd}
	blob, err := source.Current(ctx)
	var stale *mds.StaleError
	switch {
	case errors.Is(err, mds.ErrNoMetadata), errors.As(err, &stale):
		fmt.Println("no attested key is accepted now:", err)
		return
	case err != nil:
		log.Fatal(err)
	}
	entry, known := blob.Entry(model)
	if !known {
		fmt.Println("an unknown model")
		return
	}
	if report, bad := entry.CompromisedAt(time.Now(), nil); bad {
		fmt.Println("not accepted:", report.Status)
		return
	}
	fmt.Println(entry.Description, entry.LevelAt(time.Now()), entry.FIPS140At(time.Now()))
}
