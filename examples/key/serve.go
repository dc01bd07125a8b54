package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/lakekey/lakekey/authenticator/remote"
	"github.com/lakekey/lakekey/examples/internal/cli"
)

// serve lets programs elsewhere use the key, over a socket that ssh forwards.
func (p *program) serve(ctx context.Context) error {
	client, done, err := p.client()
	if err != nil {
		return err
	}
	defer done()
	server, err := remote.NewServer(&told{client, p}, p, remote.ServerOptions{
		RPIDs: p.rps, AllowCreate: p.allowCreate,
		// Who may not even ask is nothing for the person to decide, but to know.
		Logger: slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return cli.Usagef("-rp: %v", err)
	}
	path, err := filepath.Abs(p.socket)
	if err != nil {
		return fmt.Errorf("-socket %s: %v", p.socket, err)
	}
	socket, err := remote.Listen(path)
	if errors.Is(err, remote.ErrInUse) {
		return fmt.Errorf("-socket: %w: end what serves it, or give another path", err)
	}
	if err != nil {
		return fmt.Errorf("-socket: %w", err)
	}
	may := "sign in to"
	if p.allowCreate {
		may = "register with and sign in to"
	}
	p.tell("A program on another machine can %s %s with this machine's key, as long as this runs. First\n  ssh -R /home/YOU/lakekey.sock:%s HOST\nand there, for instance\n  keyagent -issuer URL -host URL -key remote:/home/YOU/lakekey.sock\n",
		may, strings.Join(p.rps, ", "), path)
	p.tell("ssh leaves its socket behind: rm it before you forward again. Prompts appear here; Ctrl-C ends it.\n")
	p.print("%s\n", path)
	return server.Serve(ctx, socket)
}

// Approve implements remote.Approver.
func (p *program) Approve(ctx context.Context, r remote.Request) error {
	what := "sign in to"
	if r.Create {
		what = "register your key with"
	}
	p.tell("%s  A program that says it runs on %s asks to %s %s, for %s%s.\n", time.Now().Format("15:04:05"), r.ClaimedHost, what, r.RPID, r.Origin, beside(r))
	if p.noQuestion {
		return nil
	}
	answer, err := p.ReadLine(ctx, "Is that you? Type y for yes: ")
	switch {
	case ctx.Err() != nil:
		p.tell("It has given up.\n")
		return ctx.Err()
	case err != nil:
		p.tell("Refused, as there is nobody to ask (%v): run key serve in a terminal, or with -no-question if the touch is yes enough.\n", err)
		return err
	case strings.ToLower(strings.TrimSpace(answer)) != "y":
		p.tell("Refused.\n")
		return errors.New("the person said no")
	default:
		return nil
	}
}

// beside says what is wanted of the key beside a signature.
func beside(r remote.Request) string {
	var wants []string
	if r.PRF {
		wants = append(wants, "a secret made by the key, which may open what you have encrypted")
	}
	if r.ReadsLargeBlob {
		wants = append(wants, "what is kept on the key with the credential")
	}
	if r.WritesLargeBlob {
		wants = append(wants, "to replace what is kept on the key with the credential")
	}
	if len(wants) == 0 {
		return ""
	}
	return ", and wants " + strings.Join(wants, ", and ")
}

// told is a key that tells the person beside it how each ceremony ended.
type told struct {
	remote.Key
	program *program
}

func (t *told) Create(ctx context.Context, origin string, options []byte) ([]byte, error) {
	response, err := t.Key.Create(ctx, origin, options)
	return t.tell("Registered", response, err)
}

func (t *told) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	response, err := t.Key.Get(ctx, origin, options)
	return t.tell("Signed in", response, err)
}

func (t *told) tell(what string, response []byte, err error) ([]byte, error) {
	if err != nil {
		t.program.tell("Nothing was signed: %v.\n", err)
		return nil, err
	}
	t.program.tell("%s.\n", what)
	return response, nil
}
