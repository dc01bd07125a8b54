package softkey

import "time"

// Decode and Encode are the key's own codec.
func Decode(data []byte) (any, error) { return decode(data) }

// Encode is its inverse, for values with int keys.
func Encode(v any) []byte { return encode(nil, v) }

// ParseFile is what Open does with the content of a file; it reports whether a failed
// parse returned something.
func ParseFile(data []byte) (partial bool, err error) {
	s, err := parseState(data)
	return err != nil && (s.credentials != nil || s.pinHash != nil), err
}

// Host is what a Port knows of the other end.
type Host struct{ host }

// NewHost returns one that has allocated channels 1 to n.
func NewHost(channels uint32, now func() time.Time) *Host {
	return &Host{host{now: now, channels: channels}}
}

// Take adds a report; it returns the message that it completes, or a refusal.
func (h *Host) Take(report []byte) (channel uint32, command byte, data []byte, complete bool, refusal byte) {
	m, code := h.take(report, false)
	if m == nil {
		return 0, 0, nil, false, code
	}
	return m.channel, m.command, m.data, true, code
}
