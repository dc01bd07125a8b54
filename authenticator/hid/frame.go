package hid

import (
	"encoding/binary"
	"fmt"
)

// Commands of CTAPHID (CTAP 2.1 §11.2.9), without the bit that marks the first frame
// of a message.
const (
	cmdNone      = 0x00 // no command: only find the key ready
	cmdPing      = 0x01
	cmdMessage   = 0x03
	cmdLock      = 0x04
	cmdInit      = 0x06
	cmdWink      = 0x08
	cmdCBOR      = 0x10
	cmdCancel    = 0x11
	cmdKeepalive = 0x3B
	cmdError     = 0x3F
)

const (
	broadcast = 0xFFFFFFFF // the channel that everybody may use, for INIT only
	initial   = 0x80       // marks the first frame of a message

	// "A packet is at most 64 bytes, so a message at most 64 - 7 + 128 * (64 - 5)"
	// (§11.2.4). Other report sizes do not make it more here.
	maxMessage    = 7609
	maxSequence   = 128
	initialHeader = 7 // channel, command, length
	nextHeader    = 5 // channel, sequence number

	defaultReport = 64
	maxReport     = 1024 // no USB endpoint of the speeds that keys use has larger packets
)

// capacity is how long a message may be in reports of a size.
func capacity(report int) int {
	return min(maxMessage, report-initialHeader+maxSequence*(report-nextHeader))
}

// fragment fills report with frame number i of a message and returns how much of
// the message it holds. The report is overwritten as a whole.
func fragment(report []byte, i int, channel uint32, command byte, length int, rest []byte) int {
	clear(report)
	binary.BigEndian.PutUint32(report, channel)
	if i == 0 {
		report[4] = command | initial
		binary.BigEndian.PutUint16(report[5:], uint16(length))
		return copy(report[initialHeader:], rest)
	}
	report[4] = byte(i - 1)
	return copy(report[nextHeader:], rest)
}

// assembler puts the messages of one channel together. Its zero value with a channel
// is ready to use.
type assembler struct {
	channel  uint32
	command  byte
	data     []byte // non-nil while a message is incomplete
	length   int
	sequence int
}

// add takes a report. When it completes a message, that is returned and the assembler
// is ready for the next; complete is false otherwise. Reports of other channels and
// frames that continue nothing change nothing. After an error the assembler is ready
// for another message.
func (a *assembler) add(report []byte) (command byte, data []byte, complete bool, err error) {
	if len(report) < initialHeader || binary.BigEndian.Uint32(report) != a.channel {
		return 0, nil, false, nil
	}
	if report[4]&initial != 0 {
		a.reset()
		a.command = report[4] &^ initial
		a.length = int(binary.BigEndian.Uint16(report[5:]))
		if a.length > capacity(len(report)) {
			return 0, nil, false, fmt.Errorf("%w: a message of %d bytes", ErrMalformed, a.length)
		}
		a.data = make([]byte, 0, a.length)
		report = report[initialHeader:]
	} else {
		if a.data == nil {
			return 0, nil, false, nil // the tail of a message whose start was not for us
		}
		if int(report[4]) != a.sequence {
			a.reset()
			return 0, nil, false, fmt.Errorf("%w: frame %d instead of %d", ErrMalformed, report[4], a.sequence)
		}
		a.sequence++
		report = report[nextHeader:]
	}
	a.data = append(a.data, report[:min(len(report), a.length-len(a.data))]...)
	if len(a.data) < a.length {
		return 0, nil, false, nil
	}
	command, data = a.command, a.data
	*a = assembler{channel: a.channel}
	return command, data, true, nil
}

// reset drops an incomplete message and overwrites what there was of it.
func (a *assembler) reset() {
	clear(a.data)
	*a = assembler{channel: a.channel}
}
