//go:build !linux

package sqlitedb

import "os"

// flush writes f to the disk.
func flush(f *os.File) error { return f.Sync() }
