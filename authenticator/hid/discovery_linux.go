package hid

import "golang.org/x/sys/unix"

func listKeys(t tree) ([]found, error) { return t.keys() }

// accessible reports whether this user may use the node.
func accessible(path string) bool { return unix.Access(path, unix.R_OK|unix.W_OK) == nil }
