package fido_test

import (
	"context"

	"github.com/lakekey/lakekey/fido/mds"
)

// fixed is metadata that is what the test says, for as long as it says so.
type fixed struct {
	blob *mds.Blob
	err  error
}

func (f fixed) Current(context.Context) (*mds.Blob, error) { return f.blob, f.err }
