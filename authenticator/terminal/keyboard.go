package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// Errors of prompts, beside those of ctx. Check with errors.Is.
var (
	// ErrNotTerminal: an answer is needed and the input is not a terminal.
	ErrNotTerminal = errors.New("terminal: the input is not a terminal, so nobody can be asked: run this in one, without redirecting its input")
	// ErrDeclined: the person ended the prompt, by Ctrl-C or Ctrl-D.
	ErrDeclined = errors.New("terminal: declined at the prompt")
)

// maxLine bounds what may be typed: a PIN has 63 bytes.
const maxLine = 256

// keyboard reads from a file whose reads cannot be cancelled. One goroutine reads a
// byte whenever one is wanted; a wait that is given up leaves the read pending, and
// the next wait takes over its result.
type keyboard struct {
	file    *os.File
	wanted  chan struct{}
	typed   chan keystroke
	started bool
	pending bool
}

type keystroke struct {
	b   byte
	err error
}

func newKeyboard(file *os.File) *keyboard {
	return &keyboard{file: file, wanted: make(chan struct{}), typed: make(chan keystroke)}
}

func (k *keyboard) isTerminal() bool { return k.file != nil && term.IsTerminal(int(k.file.Fd())) }

// forget drops what was typed so far. It was an answer to something else: to a prompt
// that is over, or to none.
func (k *keyboard) forget() {
	flush(k.file.Fd())
	if !k.pending {
		return
	}
	select {
	case <-k.typed:
		k.pending = false
	default:
	}
}

func (k *keyboard) next(ctx context.Context) (byte, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if !k.started {
		k.started = true
		go k.read()
	}
	if !k.pending {
		k.wanted <- struct{}{}
		k.pending = true
	}
	select {
	case s := <-k.typed:
		k.pending = false
		return s.b, s.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (k *keyboard) read() {
	var one [1]byte
	for range k.wanted {
		n, err := k.file.Read(one[:])
		if n == 1 {
			err = nil
		} else if err == nil {
			err = ErrDeclined // end of input
		} else {
			err = fmt.Errorf("%w: %v", ErrDeclined, err)
		}
		k.typed <- keystroke{one[0], err}
		one[0] = 0
	}
}

const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	backspace = 0x08
	ctrlU     = 0x15
	rubout    = 0x7F
)

// secret reads a line without echo. The terminal is in raw mode meanwhile, so the keys
// that edit and interrupt are ours to handle. prompt is called when nothing that is
// typed shows any more.
func (k *keyboard) secret(ctx context.Context, prompt func()) ([]byte, error) {
	before, err := term.MakeRaw(int(k.file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("terminal: hiding what is typed: %v", err)
	}
	defer term.Restore(int(k.file.Fd()), before)
	k.forget()
	prompt()
	// Never grown: append would leave a copy behind.
	text := make([]byte, 0, maxLine)
	for {
		b, err := k.next(ctx)
		if err != nil {
			clear(text[:cap(text)])
			k.forget() // the rest of a PIN is nothing for who reads the terminal next
			return nil, err
		}
		switch b {
		case '\r', '\n':
			return text, nil
		case ctrlC, ctrlD:
			clear(text[:cap(text)])
			return nil, ErrDeclined
		case backspace, rubout:
			text = dropLast(text)
		case ctrlU:
			clear(text)
			text = text[:0]
		default:
			if len(text) == maxLine {
				clear(text)
				return nil, errors.New("terminal: too much was typed")
			}
			text = append(text, b)
		}
	}
}

// dropLast drops the last character, which may be several bytes of UTF-8.
func dropLast(text []byte) []byte {
	for len(text) > 0 {
		last := len(text) - 1
		b := text[last]
		text[last] = 0
		text = text[:last]
		if b&0xC0 != 0x80 {
			break
		}
	}
	return text
}

// line reads a line that the terminal itself edits and shows.
func (k *keyboard) line(ctx context.Context) (string, error) {
	var text []byte
	for {
		b, err := k.next(ctx)
		switch {
		case err != nil:
			return "", err
		case b == '\n', b == '\r':
			return string(text), nil
		case len(text) == maxLine:
			return "", errors.New("terminal: too much was typed")
		}
		text = append(text, b)
	}
}
