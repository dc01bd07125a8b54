package fido_test

import (
	"testing"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/fidotest"
)

func TestMemoryStore(t *testing.T) {
	fidotest.TestStore(t, func(*testing.T) fido.Store { return fido.NewMemoryStore() })
}
