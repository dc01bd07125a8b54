package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// notifier shows the person that a tool waits for a touch: on the terminal of the
// agent, and on the desktop where there is one.
func notifier(stderr io.Writer, command string, log *slog.Logger) func(host string) {
	return func(host string) {
		fmt.Fprintf(stderr, "\akeyagent: a tool wants to use %s, and nobody is signed in. Run:\n  keyagent touch\nor, without this agent:\n  %s\n", host, command)
		words := desktop(os.Getenv, "Databricks needs your key", "A tool wants to use "+host+". Run: keyagent touch")
		if words == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := exec.CommandContext(ctx, words[0], words[1:]...).Run(); err != nil {
			log.Debug("no notification on the desktop", "error", err)
		}
	}
}

// desktop is the command that shows a notification, or nothing where nobody would
// see it.
func desktop(getenv func(string) string, title, text string) []string {
	switch {
	case runtime.GOOS == "darwin":
		return []string{"osascript", "-e", "display notification " + appleScript(text) + " with title " + appleScript(title)}
	case getenv("DBUS_SESSION_BUS_ADDRESS") != "" && (getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != ""):
		return []string{"notify-send", "--app-name=keyagent", "--urgency=normal", "--", title, text}
	}
	return nil
}

// appleScript is text as a literal.
func appleScript(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
