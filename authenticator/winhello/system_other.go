//go:build !windows || !(amd64 || arm64)

package winhello

import "runtime"

func loadSystem() (system, error) {
	return nil, &UnsupportedError{Reason: "this is " + runtime.GOOS + " on " + runtime.GOARCH}
}
