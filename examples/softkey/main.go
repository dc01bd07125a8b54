package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/examples/internal/cli"
)

func main() { os.Exit(cli.Run(run)) }

const usage = `Serve a software FIDO2 key that any tool on this machine can open.

Usage:
  softkey -file FILE -pty  [-pin PIN]
  softkey -file FILE -uhid [-pin PIN]

Prints the path of the device on stdout, then runs until Ctrl-C. The key is touched
whenever a program asks for a touch; each is reported on stderr. FILE holds its
private keys in the clear: it is for trying things out, not for production.

With -pty the device is a pseudo-terminal, which needs no privileges and is opened by
its path:
  fido2-token -I PATH
  fido2-cred -M -i INPUT PATH
  ssh-keygen -t ecdsa-sk -O device=PATH
With -uhid it is a USB key to every program, browsers included. That needs write
access to /dev/uhid: as root, after modprobe uhid.

Flags:
`

// config is the command line.
type config struct {
	file      string
	pty, uhid bool
	pin       string
}

// run is the program; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	if err == nil {
		err = serve(ctx, cfg, stdout, stderr)
	}
	return cli.Status(ctx, "softkey", err, stderr)
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("softkey", flag.ContinueOnError)
	flags.StringVar(&cfg.file, "file", "", "`FILE` of the key; it is made if it is not there")
	flags.BoolVar(&cfg.pty, "pty", false, "serve it behind a pseudo-terminal")
	flags.BoolVar(&cfg.uhid, "uhid", false, "serve it as a USB key, through the kernel's uhid")
	flags.StringVar(&cfg.pin, "pin", "", "set this `PIN` if the key has none yet")
	if err := cli.Parse(flags, usage, args, stderr); err != nil {
		return config{}, err
	}
	switch {
	case flags.NArg() > 0:
		return config{}, cli.Usagef("unexpected argument %q", flags.Arg(0))
	case cfg.file == "":
		return config{}, cli.Usagef("-file is missing: name a file for the key, which is made if it is not there")
	case cfg.pty == cfg.uhid:
		return config{}, cli.Usagef("give one of -pty and -uhid")
	}
	return cfg, nil
}

func serve(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	options := softkey.Options{Touch: func(ctx context.Context) error {
		fmt.Fprintln(stderr, "touched")
		return ctx.Err()
	}}
	if cfg.pin != "" {
		options.PIN = []byte(cfg.pin)
	}
	key, err := softkey.Open(cfg.file, options)
	if errors.Is(err, softkey.ErrInUse) {
		return fmt.Errorf("-file %s: another program has this key open; end it or use another file", cfg.file)
	}
	if err != nil {
		return fmt.Errorf("-file %s: %w", cfg.file, err)
	}
	defer key.Close()
	plug := func() (*softkey.Port, error) { return key.PlugPTY() }
	if cfg.uhid {
		plug = func() (*softkey.Port, error) { return key.PlugUHID(ctx) }
	}
	port, err := plug()
	if err != nil {
		return fmt.Errorf("plugging the key in: %w", err)
	}
	fmt.Fprintln(stdout, port.Path())
	fmt.Fprintf(stderr, "software key %s at %s; Ctrl-C ends it\n", cfg.file, port.Path())
	select {
	case <-ctx.Done():
		return port.Unplug()
	case <-port.Done():
		return errors.New("the device is gone: somebody else has removed it")
	}
}
