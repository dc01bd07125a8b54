//go:build !linux

package hid

func listKeys(tree) ([]found, error) { return nil, unsupported() }

func accessible(string) bool { return false }
