package hid

// Limits of CTAPHID.
const (
	MaxMessage = maxMessage
	MaxReport  = maxReport
)

// Fragments returns the reports that carry a message.
func Fragments(size int, channel uint32, command byte, msg []byte) [][]byte {
	var reports [][]byte
	rest := msg
	for i := 0; i == 0 || len(rest) > 0; i++ {
		report := make([]byte, size)
		rest = rest[fragment(report, i, channel, command, len(msg), rest):]
		reports = append(reports, report)
	}
	return reports
}

// Assembler puts messages together.
type Assembler struct{ assembler }

// NewAssembler returns one for a channel.
func NewAssembler(channel uint32) *Assembler { return &Assembler{assembler{channel: channel}} }

// Add takes a report.
func (a *Assembler) Add(report []byte) (command byte, data []byte, complete bool, err error) {
	return a.add(report)
}

// Capacity is how long a message may be in reports of a size.
func Capacity(report int) int { return capacity(report) }

// Descriptor reads a report descriptor.
func Descriptor(b []byte) (fido bool, in, out int) {
	d := parseDescriptor(b)
	return d.fido, d.in, d.out
}

// SetTree makes a Source look for keys elsewhere than in the running kernel.
func (s *Source) SetTree(class, nodes string) { s.tree = tree{class: class, nodes: nodes} }

// Buffers returns what a Transport has kept of the messages that it carried. Nothing
// may be under way.
func (t *Transport) Buffers() [][]byte {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	return [][]byte{t.message[:cap(t.message)], t.inBuf, t.outBuf, t.in.data}
}
