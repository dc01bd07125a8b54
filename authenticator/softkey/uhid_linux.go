package softkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Events of /dev/uhid (linux/uhid.h).
const (
	uhidOutput         = 6
	uhidGetReport      = 9
	uhidGetReportReply = 10
	uhidCreate2        = 11
	uhidInput2         = 12
	uhidSetReport      = 13
	uhidSetReportReply = 14

	uhidEventSize = 4380 // sizeof(struct uhid_event)
	uhidDataMax   = 4096

	busUSB = 3
	// A vendor's test range: https://pid.codes/1209/0001/
	testVendor, testProduct = 0x1209, 0x0001

	lookForNode = 20 * time.Millisecond

	// hidraw keeps 64 reports for a program and drops what comes on top. A USB key sends
	// one in a millisecond at most, so that programs keep up; we do as it does.
	reportPeriod = time.Millisecond
)

// fidoReports is the report descriptor of CTAP 2.1 §11.2.8.2: reports of 64 bytes in
// both directions.
var fidoReports = []byte{
	0x06, 0xD0, 0xF1, // usage page: FIDO
	0x09, 0x01, // usage: CTAPHID
	0xA1, 0x01, // application
	0x09, 0x20, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, reportSize, 0x81, 0x02, // data in
	0x09, 0x21, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, reportSize, 0x91, 0x02, // data out
	0xC0,
}

// PlugUHID plugs the key into this machine's kernel, as a USB key that every program
// finds. It needs write access to /dev/uhid, and waits until the hidraw node is there.
//
// The kernel keeps 31 reports for the key and drops what comes on top, so a request of
// more than 1,800 bytes may get lost where USB would have made the program wait.
func (k *Key) PlugUHID(ctx context.Context) (*Port, error) {
	f, err := os.OpenFile("/dev/uhid", os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("softkey: %v: load the kernel module uhid and run as root, or plug the key in behind a pseudo-terminal", err)
	}
	serial := make([]byte, 8)
	_, _ = rand.Read(serial) // never fails
	name := hex.EncodeToString(serial)
	event := make([]byte, uhidEventSize)
	binary.LittleEndian.PutUint32(event, uhidCreate2)
	copy(event[4:132], "lakekey softkey")
	copy(event[132:196], "softkey/"+name)
	copy(event[196:260], name)
	binary.LittleEndian.PutUint16(event[260:], uint16(len(fidoReports)))
	binary.LittleEndian.PutUint16(event[262:], busUSB)
	binary.LittleEndian.PutUint32(event[264:], testVendor)
	binary.LittleEndian.PutUint32(event[268:], testProduct)
	copy(event[280:], fidoReports)
	if _, err := f.Write(event); err != nil {
		_ = f.Close() // the other error says more
		return nil, fmt.Errorf("softkey: making a HID device: %v", err)
	}
	p, err := k.plug("", &uhid{file: f})
	if err != nil {
		return nil, err
	}
	if p.path, err = findNode(ctx, name); err != nil {
		return nil, errors.Join(err, p.Unplug())
	}
	return p, nil
}

// findNode waits for the hidraw node of the device with a serial number.
func findNode(ctx context.Context, serial string) (string, error) {
	for {
		files, err := filepath.Glob("/sys/class/hidraw/*/device/uevent")
		if err != nil {
			return "", fmt.Errorf("softkey: %v", err)
		}
		for _, file := range files {
			// One that cannot be read is another device that was just unplugged.
			content, _ := os.ReadFile(file)
			if !bytes.Contains(content, []byte("HID_UNIQ="+serial+"\n")) {
				continue
			}
			node := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(file)))
			if _, err := os.Stat(node); err == nil {
				return node, nil
			}
		}
		select {
		case <-time.After(lookForNode):
		case <-ctx.Done():
			return "", fmt.Errorf("softkey: waiting for the hidraw node: %w", ctx.Err())
		}
	}
}

// uhid is a line through the kernel. Closing it unplugs the device.
type uhid struct {
	file *os.File
	in   [uhidEventSize]byte
	once sync.Once
	err  error
}

func (u *uhid) read() ([]byte, error) {
	for {
		n, err := u.file.Read(u.in[:])
		if err != nil {
			return nil, err
		}
		clear(u.in[n:])
		switch binary.LittleEndian.Uint32(u.in[:]) {
		case uhidOutput:
			size := min(int(binary.LittleEndian.Uint16(u.in[4+uhidDataMax:])), uhidDataMax)
			report := u.in[4 : 4+size]
			if size == 1+reportSize {
				report = report[1:] // the report number
			}
			return report, nil
		case uhidGetReport:
			u.refuse(uhidGetReportReply)
		case uhidSetReport:
			u.refuse(uhidSetReportReply)
		}
	}
}

// refuse answers a request for a feature report, of which there are none: the program
// that asks would otherwise wait for seconds.
func (u *uhid) refuse(reply uint32) {
	var event [12]byte
	binary.LittleEndian.PutUint32(event[:], reply)
	copy(event[4:8], u.in[4:8]) // which request
	binary.LittleEndian.PutUint16(event[8:], uint16(unix.EIO))
	_, _ = u.file.Write(event[:]) // an error shows at the next read
}

func (u *uhid) write(report []byte) error {
	var event [6 + reportSize]byte
	binary.LittleEndian.PutUint32(event[:], uhidInput2)
	binary.LittleEndian.PutUint16(event[4:], reportSize)
	copy(event[6:], report)
	_, err := u.file.Write(event[:])
	time.Sleep(reportPeriod)
	return err
}

func (u *uhid) discard() {}

func (u *uhid) close() error {
	u.once.Do(func() { u.err = u.file.Close() })
	return u.err
}
