//go:build !libfido2 || !cgo || !(linux || darwin) || 386 || arm || mips || mipsle

package libfido2_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/libfido2"
)

func TestWithoutTheTagItSaysWhatToDo(t *testing.T) {
	source, err := libfido2.NewSource()
	require.Nil(t, source)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	var unsupported *libfido2.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	for _, word := range []string{"apt-get install libfido2-dev", "brew install libfido2", "-tags libfido2", "CGO_ENABLED=1", "authenticator/hid"} {
		require.ErrorContains(t, err, word)
	}
}
