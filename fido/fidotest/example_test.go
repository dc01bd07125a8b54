package fidotest_test

import (
	"testing"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/fidotest"
)

// A store of your own is tested in a package of its own; each subtest gets an
// empty one.
func ExampleTestStore() {
	TestMyStore := func(t *testing.T) {
		fidotest.TestStore(t, func(t *testing.T) fido.Store {
			s := fido.NewMemoryStore() // yours instead
			t.Cleanup(func() {})       // and what closes it
			return s
		})
	}
	_ = TestMyStore
}
