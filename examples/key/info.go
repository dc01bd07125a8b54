package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/authenticator"
)

func (p *program) list(ctx context.Context) error {
	source, done, err := p.open()
	if err != nil {
		return err
	}
	defer done()
	devices, err := source.Devices(ctx)
	if err != nil {
		return fmt.Errorf("listing keys: %w", err)
	}
	if len(devices) == 0 {
		return authenticator.ErrNoDevice
	}
	for _, d := range devices {
		of := d.Descriptor()
		p.print("%s  %04x:%04x  %s\n", of.Path, of.VendorID, of.ProductID, of.Product)
	}
	return nil
}

func (p *program) info(ctx context.Context) error {
	return p.with(ctx, func(d authenticator.Device) error {
		info, err := d.Info(ctx)
		if err != nil {
			return err
		}
		row := func(name, format string, args ...any) { p.print("%-14s%s\n", name, fmt.Sprintf(format, args...)) }
		row("path", "%s", d.Descriptor().Path)
		row("product", "%s", d.Descriptor().Product)
		row("versions", "%s", strings.Join(info.Versions, " "))
		row("aaguid", "%s", hex.EncodeToString(info.AAGUID[:]))
		row("extensions", "%s", strings.Join(info.Extensions, " "))
		row("transports", "%s", strings.Join(info.Transports, " "))
		row("algorithms", "%s", fields(info.Algorithms))
		var options []string
		for _, name := range slices.Sorted(maps.Keys(info.Options)) {
			options = append(options, fmt.Sprintf("%s=%t", name, info.Options[name]))
		}
		row("options", "%s", strings.Join(options, " "))
		row("PIN", "%s", pinText(info))
		if info.RemainingCredentials >= 0 {
			row("room", "%d more discoverable credentials", info.RemainingCredentials)
		}
		row("message size", "%d", info.MaxMessageSize)
		row("firmware", "%d", info.FirmwareVersion)
		return nil
	})
}

func fields(numbers []int) string { return strings.Trim(fmt.Sprint(numbers), "[]") }

func pinText(info *authenticator.Info) string {
	set, able := info.Options["clientPin"]
	switch {
	case !able:
		return "this key takes none"
	case !set:
		return fmt.Sprintf("none yet; at least %d characters", max(4, info.MinPINLength))
	case info.ForcePINChange:
		return "set, and must be changed"
	default:
		return fmt.Sprintf("set; protocols %s", fields(info.PINProtocols))
	}
}
