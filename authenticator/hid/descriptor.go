package hid

// reportDescriptor is what a FIDO key's HID report descriptor says of interest.
type reportDescriptor struct {
	fido    bool // a top-level collection of the FIDO usage page
	in, out int  // bytes of an input and an output report; 0: not said
}

// Short items of a report descriptor (HID 1.11 §6.2.2): tag and type, size removed.
const (
	itemInput       = 0x80
	itemOutput      = 0x90
	itemCollection  = 0xA0
	itemUsagePage   = 0x04
	itemReportSize  = 0x74
	itemReportCount = 0x94
	itemUsage       = 0x08
	itemLong        = 0xFE

	pageFIDO    = 0xF1D0 // CTAP 2.1 §11.2.8.2
	usageDevice = 0x01
)

// parseDescriptor reads a report descriptor as far as it can be read: what is cut off
// or unknown adds nothing.
func parseDescriptor(b []byte) reportDescriptor {
	var d reportDescriptor
	var page, usage, size, count uint32
	inside := false // of the FIDO collection, which holds the only reports we use
	for len(b) > 0 {
		prefix := b[0]
		b = b[1:]
		if prefix == itemLong {
			if len(b) < 2 || len(b) < 2+int(b[0]) {
				return d
			}
			b = b[2+int(b[0]):]
			continue
		}
		n := int(prefix & 3)
		if n == 3 {
			n = 4
		}
		if len(b) < n {
			return d
		}
		var value uint32
		for i := range n {
			value |= uint32(b[i]) << (8 * i)
		}
		b = b[n:]
		switch prefix &^ 3 {
		case itemUsagePage:
			page = value
		case itemUsage:
			usage = value
		case itemReportSize:
			size = value
		case itemReportCount:
			count = value
		case itemCollection:
			inside = page == pageFIDO && usage == usageDevice || inside && value != 1
			d.fido = d.fido || inside
		case itemInput:
			if inside {
				d.in = reportBytes(size, count, d.in)
			}
		case itemOutput:
			if inside {
				d.out = reportBytes(size, count, d.out)
			}
		}
	}
	return d
}

// reportBytes is the length of a report, or what it was when the descriptor names
// one that cannot carry a frame.
func reportBytes(bits, count uint32, otherwise int) int {
	if n := uint64(bits) * uint64(count) / 8; n > initialHeader && n <= maxReport {
		return int(n)
	}
	return otherwise
}
