package hid

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// listKeys lists the FIDO keys. A device that vanishes meanwhile is left out, and so is one
// that cannot be read.
func listKeys(t tree) ([]found, error) {
	entries, err := os.ReadDir(t.class)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel or container without hidraw has no keys
	}
	if err != nil {
		return nil, fmt.Errorf("hid: listing keys: %v", err)
	}
	var all []found
	for _, e := range entries {
		if f, ok := t.key(e.Name()); ok {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		if n := len(a.descriptor.Path) - len(b.descriptor.Path); n != 0 {
			return n // hidraw9 before hidraw10
		}
		return strings.Compare(a.descriptor.Path, b.descriptor.Path)
	})
	return all, nil
}

// accessible reports whether this user may use the node.
func accessible(path string) bool { return unix.Access(path, unix.R_OK|unix.W_OK) == nil }
