//go:build !libfido2 || !cgo || !(linux || darwin) || 386 || arm || mips || mipsle

package libfido2

func newBackend() (backend, error) {
	return nil, &UnsupportedError{Tag: "libfido2", Debian: "libfido2-dev", Homebrew: "libfido2"}
}
