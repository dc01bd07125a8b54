package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], terminal.New(os.Stdin, os.Stderr), os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

const usage = `Look at a security key and manage it.

Usage:
  key list                            the keys that are plugged in
  key info                            what a key can do and how it is set up
  key pin                             how many tries are left
  key pin set | change
  key credentials                     what is stored on the key
  key credentials delete ID
  key credentials rename ID -name NAME
  key fingerprints                    the fingers that the key knows
  key fingerprints enroll [-name NAME]
  key fingerprints rename ID -name NAME
  key fingerprints delete ID
  key register [-rp RPID] [-name USER] [-resident] > FILE
                                      make a credential for a throw-away relying party
  key sign -credential FILE           sign in with it and verify the signature
  key sign [-rp RPID]                 sign in with a credential stored on the key
  key reset                           delete everything, within 10 s of plugging it in

Flags stand behind the command. Prompts go to stderr; PINs are typed at the terminal
only. An ID may be shortened as long as it names one thing.

Flags:
`

// console is how the program talks to the person.
type console interface {
	authenticator.UI
	ReadSecret(ctx context.Context, prompt string) ([]byte, error)
	ReadLine(ctx context.Context, prompt string) (string, error)
}

// config is the command line.
type config struct {
	command, action, id string
	backend, device     string
	rp, name            string
	resident            bool
	credential          string
}

// program is a run of one command.
type program struct {
	config
	console
	stdout, stderr io.Writer
	source         authenticator.Source // nil: as the flags say
}

// errUsage marks errors of the command line.
var errUsage = errors.New("key -h shows how it is used")

// run returns the exit status.
func run(ctx context.Context, args []string, c console, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	p := &program{config: cfg, console: c, stdout: stdout, stderr: stderr}
	if err == nil {
		err = p.run(ctx)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "key: %v\n", err)
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "key: interrupted; nothing waits for a touch any more")
		return 1
	default:
		fmt.Fprintf(stderr, "key: %v%s\n", err, advice(err))
		return 1
	}
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("key", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run says what is wrong, once
	flags.StringVar(&cfg.backend, "backend", "hid", "`hid` (pure Go, Linux) or libfido2 (needs a build with -tags libfido2)")
	flags.StringVar(&cfg.device, "device", "", "`PATH` of the key, such as /dev/hidraw0, or soft:FILE for a software key\n(default: the only key there is; to register and sign, the one that is touched)")
	flags.StringVar(&cfg.rp, "rp", "localhost", "`RPID` of the throw-away relying party")
	flags.StringVar(&cfg.name, "name", "", "`NAME` of an account or a finger")
	flags.BoolVar(&cfg.resident, "resident", false, "store the credential on the key, so that it is found without its ID")
	flags.StringVar(&cfg.credential, "credential", "", "`FILE` with what register printed")
	help := func() (config, error) {
		fmt.Fprint(stderr, usage)
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return config{}, flag.ErrHelp
	}
	for _, word := range []*string{&cfg.command, &cfg.action, &cfg.id} {
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			*word, args = args[0], args[1:]
		}
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return help()
		}
		return cfg, fmt.Errorf("%v; %w", err, errUsage)
	}
	switch {
	case cfg.command == "help":
		return help()
	case cfg.command == "":
		return cfg, fmt.Errorf("which command? %w", errUsage)
	case flags.NArg() > 0:
		return cfg, fmt.Errorf("unexpected argument %q; %w", flags.Arg(0), errUsage)
	}
	return cfg, nil
}

// run finds the command.
func (p *program) run(ctx context.Context) error {
	commands := map[string]func(context.Context) error{
		"list":     p.list,
		"info":     p.info,
		"pin":      p.pinState,
		"register": p.register,
		"sign":     p.sign,
		"reset":    p.reset,

		"pin set":             p.setPIN,
		"pin change":          p.changePIN,
		"credentials":         p.listCredentials,
		"credentials list":    p.listCredentials,
		"credentials delete":  p.deleteCredential,
		"credentials rename":  p.renameCredential,
		"fingerprints":        p.listFingers,
		"fingerprints list":   p.listFingers,
		"fingerprints enroll": p.enrollFinger,
		"fingerprints rename": p.renameFinger,
		"fingerprints delete": p.deleteFinger,
	}
	command := strings.TrimSpace(p.command + " " + p.action)
	do, known := commands[command]
	if !known {
		return fmt.Errorf("there is no command %q; %w", command, errUsage)
	}
	named := p.action == "delete" || p.action == "rename"
	switch {
	case named && p.id == "":
		return fmt.Errorf("%s: name an ID that %s list shows; %w", command, p.command, errUsage)
	case !named && p.id != "":
		return fmt.Errorf("unexpected argument %q; %w", p.id, errUsage)
	case p.action == "rename" && p.name == "":
		return fmt.Errorf("%s: -name is missing; %w", command, errUsage)
	}
	return do(ctx)
}

// advice adds what to do to errors that do not say it themselves.
func advice(err error) string {
	switch {
	case errors.Is(err, authenticator.ErrNoDevice):
		return ": plug one in, or name it with -device"
	case errors.Is(err, authenticator.ErrPINNotSet):
		return ": key pin set gives it one"
	case errors.Is(err, authenticator.Status(0x37)):
		return ": key pin change"
	case errors.Is(err, authenticator.Status(0x30)):
		return ": unplug it, plug it in and say it again at once"
	default:
		return ""
	}
}
