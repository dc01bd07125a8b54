package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/oidc"
)

// Browser is the person's. It implements [oidc.Paster].
type Browser struct {
	getenv func(string) string
	in     *os.File
	system string

	mu  sync.Mutex // guards out: two goroutines print
	out io.Writer
}

var _ oidc.Paster = (*Browser)(nil)

// New returns a Browser that prints to out, and reads what is pasted from in if
// that is a terminal.
func New(getenv func(string) string, in *os.File, out io.Writer) *Browser {
	return &Browser{getenv: getenv, in: in, out: out, system: runtime.GOOS}
}

// settle is how long a command has to fail. One that still runs then is the
// browser itself.
const settle = 3 * time.Second

// Open implements [oidc.Browser].
func (b *Browser) Open(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII }) {
		return errors.New("launch: not an address")
	}
	if _, err := origin.Of(u); err != nil {
		return fmt.Errorf("launch: %v", err)
	}
	// From here on it does not matter how the address was written.
	address = u.String()
	commands := b.commands()
	if len(commands) > 0 {
		b.say("Sign in in the browser that opens now, or in another one at\n\n  %s\n\n", address)
	}
	for _, command := range commands {
		if run(ctx, command, address) == nil {
			if b.terminal() {
				b.say("If the browser cannot show the page at the end, paste that page's address here.\n")
			}
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("launch: opening the browser: %w", ctx.Err())
		}
	}
	if len(commands) > 0 {
		b.say("No browser could be opened here.\n")
	}
	b.say("Open this address in a browser and sign in:\n\n  %s\n\n", address)
	if b.terminal() {
		b.say("At the end the browser may show that it cannot reach a page: copy that page's address and paste it here.\n")
	}
	return nil
}

// commands are those that may open an address, best first.
func (b *Browser) commands() [][]string {
	var list [][]string
	separator := ":"
	if b.system == "windows" {
		separator = ";"
	}
	for command := range strings.SplitSeq(b.getenv("BROWSER"), separator) {
		if words := strings.Fields(command); len(words) > 0 {
			list = append(list, words)
		}
	}
	afar := b.getenv("SSH_CONNECTION") != "" || b.getenv("SSH_TTY") != ""
	switch {
	case b.system == "windows" && !afar:
		list = append(list, []string{"rundll32.exe", "url.dll,FileProtocolHandler"})
	case b.system == "darwin" && !afar:
		list = append(list, []string{"open"})
	case b.system == "windows", b.system == "darwin":
	case b.getenv("WSL_DISTRO_NAME") != "" || b.getenv("WSL_INTEROP") != "":
		list = append(list, []string{"wslview"}, []string{"rundll32.exe", "url.dll,FileProtocolHandler"}, []string{"/mnt/c/Windows/System32/rundll32.exe", "url.dll,FileProtocolHandler"})
	case b.getenv("DISPLAY") != "" || b.getenv("WAYLAND_DISPLAY") != "":
		list = append(list, []string{"xdg-open"})
	}
	return list
}

// run starts a command and reports whether it failed soon. The browser outlives
// the sign-in, so it is not ended with ctx.
func run(ctx context.Context, command []string, address string) error {
	args, placed := []string{}, false
	for _, word := range command[1:] {
		if strings.Contains(word, "%s") {
			word, placed = strings.ReplaceAll(word, "%s", address), true
		}
		args = append(args, word)
	}
	if !placed {
		args = append(args, address)
	}
	cmd := exec.Command(command[0], args...) // no input and no output: the terminal is ours
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return nil
	}
}

// Paste implements [oidc.Paster].
func (b *Browser) Paste(ctx context.Context, problem error) (string, error) {
	if problem != nil {
		b.say("%v. Try again: ", problem)
	}
	if !b.terminal() {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return readLine(ctx, b.in)
}

func (b *Browser) terminal() bool { return canWait && b.in != nil && term.IsTerminal(int(b.in.Fd())) }

func (b *Browser) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.out, format, args...)
}
