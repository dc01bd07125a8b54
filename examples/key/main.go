package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/terminal"
	"github.com/lakekey/lakekey/examples/internal/cli"
)

func main() {
	os.Exit(cli.Run(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		return run(ctx, args, terminal.New(os.Stdin, stderr), stdout, stderr)
	}))
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
  key serve -socket PATH -rp RPID [-rp RPID ...] [-allow-create]
                                      let programs on another machine sign in with it
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

	// Of serve.
	rps         cli.List
	socket      string
	allowCreate bool
	noQuestion  bool
}

// program is a run of one command.
type program struct {
	config
	console
	stdout, stderr io.Writer
	source         authenticator.Source // nil: as the flags say
}

// run returns the exit status.
func run(ctx context.Context, args []string, c console, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	p := &program{config: cfg, console: c, stdout: stdout, stderr: stderr}
	if err == nil {
		err = p.run(ctx)
	}
	if what := advice(err); what != "" && ctx.Err() == nil {
		err = fmt.Errorf("%w: %s", err, what)
	}
	return cli.Status(ctx, "key", err, stderr)
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("key", flag.ContinueOnError)
	flags.StringVar(&cfg.backend, "backend", "hid", "`BACKEND` that reaches the key: hid (pure Go, Linux) or libfido2 (needs a build with -tags libfido2)")
	flags.StringVar(&cfg.device, "device", "", "`PATH` of the key, such as /dev/hidraw0, or soft:FILE for a software key\n(default: the only key there is; to register and sign, the one that is touched)")
	flags.Var(&cfg.rps, "rp", "`RPID` of the throw-away relying party (default localhost); for serve, one that may be asked for: may be repeated")
	flags.StringVar(&cfg.name, "name", "", "`NAME` of an account or a finger")
	flags.BoolVar(&cfg.resident, "resident", false, "with register, store the credential on the key, so that it is found without its ID")
	flags.StringVar(&cfg.credential, "credential", "", "with sign, the `FILE` with what register printed")
	flags.StringVar(&cfg.socket, "socket", "", "with serve, the `PATH` of the socket, in a directory that nobody else may enter")
	flags.BoolVar(&cfg.allowCreate, "allow-create", false, "with serve, let remote programs register the key, too")
	flags.BoolVar(&cfg.noQuestion, "no-question", false, "with serve, say who asks and leave the yes to the touch, instead of asking for it")
	for _, word := range []*string{&cfg.command, &cfg.action, &cfg.id} {
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			*word, args = args[0], args[1:]
		}
	}
	if cfg.command == "help" {
		args = []string{"-h"}
	}
	if err := cli.Parse(flags, usage, args, stderr); err != nil {
		return cfg, err
	}
	serves := cfg.command == "serve"
	switch {
	case cfg.command == "":
		return cfg, cli.Usagef("which command?")
	case flags.NArg() > 0:
		return cfg, cli.Usagef("unexpected argument %q", flags.Arg(0))
	case !serves && len(cfg.rps) > 1:
		return cfg, cli.Usagef("-rp is given %d times, and only serve takes several", len(cfg.rps))
	case !serves && (cfg.socket != "" || cfg.allowCreate || cfg.noQuestion):
		return cfg, cli.Usagef("-socket, -allow-create and -no-question are for serve")
	case serves && cfg.socket == "":
		return cfg, cli.Usagef("-socket is missing: where should programs find the key? For instance -socket $HOME/.lakekey/key.sock")
	case serves && len(cfg.rps) == 0:
		return cfg, cli.Usagef("-rp is missing: for which relying parties may the key be used? For instance -rp login.example.org")
	}
	if cfg.rp = "localhost"; len(cfg.rps) > 0 {
		cfg.rp = cfg.rps[0]
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
		"serve":    p.serve,

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
		return cli.Usagef("there is no command %q", command)
	}
	named := p.action == "delete" || p.action == "rename"
	switch {
	case named && p.id == "":
		return cli.Usagef("%s: name an ID that %s list shows", command, p.command)
	case !named && p.id != "":
		return cli.Usagef("unexpected argument %q", p.id)
	case p.action == "rename" && p.name == "":
		return cli.Usagef("%s: -name is missing", command)
	}
	return do(ctx)
}

// advice adds what to do to errors that do not say it themselves.
func advice(err error) string {
	switch {
	case errors.Is(err, authenticator.ErrNoDevice):
		return "plug one in, or name it with -device"
	case errors.Is(err, authenticator.ErrPINNotSet):
		return "key pin set gives it one"
	case errors.Is(err, authenticator.Status(0x37)):
		return "key pin change"
	case errors.Is(err, authenticator.Status(0x30)):
		return "unplug it, plug it in and say it again at once"
	default:
		return ""
	}
}
