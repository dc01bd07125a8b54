package hid

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lakekey/lakekey/authenticator"
)

// Options are the optional parts of a [Source].
type Options struct {
	// Paths are the keys to use, instead of looking for them: hidraw nodes, or other
	// devices that [Open] opens. nil: every key that the kernel shows.
	Paths []string
}

// Source is the keys that are plugged into this machine. It implements
// authenticator.Source, with Wait. The Devices it returns open their key when it is used and give
// it back soon after, so that a Source can be kept for as long as the program runs.
type Source struct {
	paths []string
	tree  tree

	mu      sync.Mutex
	closed  bool
	plugged map[string]plugged // by found.identity
	seen    map[string]bool    // what look returned to the last Devices
}

// plugged is a key and where it is plugged in.
type plugged struct {
	device authenticator.Device
	port   *port
}

// NewSource returns the keys that are plugged in, now and later.
func NewSource(o Options) *Source {
	s := &Source{plugged: make(map[string]plugged), tree: tree{class: "/sys/class/hidraw", nodes: "/dev"}}
	s.paths = append(s.paths, o.Paths...)
	return s
}

// Devices returns the keys that are plugged in now, those that this user may not open
// included: using one tells why. The same key is the same Device until it is unplugged.
func (s *Source) Devices(ctx context.Context) ([]authenticator.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys, err := s.list()
	if err != nil {
		return nil, err
	}
	seen := look(keys)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("hid: the source is closed")
	}
	there := make(map[string]plugged, len(keys))
	devices := make([]authenticator.Device, 0, len(keys))
	for _, k := range keys {
		d, known := s.plugged[k.identity]
		if !known {
			d.port = &port{path: k.descriptor.Path}
			d.device = authenticator.NewCTAP2(d.port, k.descriptor)
		}
		there[k.identity] = d
		devices = append(devices, d.device)
		delete(s.plugged, k.identity)
	}
	for _, gone := range s.plugged {
		go gone.device.Close() // waits for what runs on it, which ends at once since the key is gone
	}
	s.plugged, s.seen = there, seen
	return devices, nil
}

// list returns the keys to offer.
func (s *Source) list() ([]found, error) {
	if s.paths == nil {
		return listKeys(s.tree)
	}
	all := make([]found, 0, len(s.paths))
	for _, path := range s.paths {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue // not plugged in
		}
		f := found{identity: path, descriptor: authenticator.Descriptor{Transport: "usb", Path: path}}
		if name := filepath.Base(path); strings.HasPrefix(name, "hidraw") {
			if k, ok := s.tree.key(name); ok {
				f.descriptor = k.descriptor
				f.descriptor.Path = path
				f.identity += " " + k.identity
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// Close gives back every key and fails what runs on them. Devices that were returned
// are closed.
func (s *Source) Close() error {
	s.mu.Lock()
	all := s.plugged
	s.plugged, s.closed = nil, true
	s.mu.Unlock()
	var failed []error
	for _, p := range all {
		// The port first: a Device waits for the operation under way.
		failed = append(failed, p.port.Close(), p.device.Close())
	}
	return errors.Join(failed...)
}
