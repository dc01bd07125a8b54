package keys

import (
	"flag"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
)

// Spec is what the flags of a program say about the key to use.
type Spec struct {
	Key    string // usb, soft:FILE or remote:SOCKET
	Device string // for usb: where the key is; "": every key that is plugged in

	// Ways are more words for -key, which the program deals with itself: ways to
	// sign in without a key at this machine.
	Ways []string
}

// Register adds the flags -key and -device. more ends the help of -key.
func (s *Spec) Register(fs *flag.FlagSet, more string) {
	fs.StringVar(&s.Key, "key", "", "the `KEY`: usb (a security key that is plugged in), soft:FILE (a software key in a file, for\ntrying things out) or remote:SOCKET (a key on another machine, by a forwarded socket: see key serve)"+more)
	fs.StringVar(&s.Device, "device", "", "with -key usb, the `PATH` of the key, such as /dev/hidraw0, or of one that is not found by looking for\nUSB keys, such as what softkey -pty prints (default: the key that is touched)")
}

// Check tells whether there may be such a key.
func (s *Spec) Check() error {
	kind, where, _ := strings.Cut(s.Key, ":")
	words := strings.Join(append([]string{"usb", "soft:FILE"}, s.Ways...), ", ")
	switch {
	case s.Key == "":
		return cli.Usagef("-key is missing: usb for a key that is plugged in, or soft:FILE to try things out")
	case s.IsWay():
	case s.Key != "usb" && (kind != "soft" && kind != "remote" || where == ""):
		return cli.Usagef("-key %q: must be %s or remote:SOCKET", s.Key, words)
	}
	if s.Device != "" && s.Key != "usb" {
		return cli.Usagef("-device %s: goes with -key usb only", s.Device)
	}
	return nil
}

// IsWay reports whether the key is one of the Ways.
func (s *Spec) IsWay() bool { return slices.Contains(s.Ways, s.Key) }

// Words are the flags as a person types them.
func (s *Spec) Words() []string {
	words := []string{"-key", s.Key}
	if s.Device != "" {
		words = append(words, "-device", s.Device)
	}
	return words
}
