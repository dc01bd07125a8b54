//go:build libfido2 && cgo

package libfido2

// held knows nothing on macOS, where keys have no node to lock.
func held(string) (bool, error) { return false, nil }
