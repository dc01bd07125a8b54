package hid

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/internal/label"
)

// tree is where the kernel shows its hidraw devices.
type tree struct {
	class string // a folder per device, as /sys/class/hidraw
	nodes string // the nodes, as /dev
}

// found is a key that the kernel shows.
type found struct {
	identity   string // differs between two keys, and when one is plugged in anew
	descriptor authenticator.Descriptor
}

// maxSysfsFile bounds what is read of a file in sysfs: a page, and the report descriptor
// has at most that.
const maxSysfsFile = 4096

// key returns the FIDO key that a device is, if it is one and can be read.
func (t tree) key(name string) (found, bool) {
	device := filepath.Join(t.class, name, "device")
	raw, err := readSmall(filepath.Join(device, "report_descriptor"))
	if err != nil || !parseDescriptor(raw).fido {
		return found{}, false
	}
	// The link's target ends in a number that the kernel never reuses, 0003:1050:0407.000A.
	identity, err := filepath.EvalSymlinks(device)
	if err != nil {
		return found{}, false
	}
	d := authenticator.Descriptor{Transport: "usb", Path: filepath.Join(t.nodes, name)}
	if uevent, err := readSmall(filepath.Join(device, "uevent")); err == nil {
		describe(&d, string(uevent))
	}
	return found{identity: d.Path + " " + identity, descriptor: d}, true
}

// describe reads the uevent file of a HID device.
func describe(d *authenticator.Descriptor, uevent string) {
	for line := range strings.Lines(uevent) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch name {
		case "HID_NAME":
			d.Product = label.Of(value)
		case "HID_ID": // bus:vendor:product in hexadecimal
			parts := strings.Split(value, ":")
			if len(parts) != 3 {
				continue
			}
			vendor, err1 := strconv.ParseUint(parts[1], 16, 32)
			product, err2 := strconv.ParseUint(parts[2], 16, 32)
			if err1 == nil && err2 == nil {
				d.VendorID, d.ProductID = uint16(vendor), uint16(product)
			}
		}
	}
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSysfsFile))
}
