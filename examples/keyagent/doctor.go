package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/oidc"
)

// finding is one thing that doctor looked at.
type finding struct {
	what string
	err  error  // nil: in order
	fix  string // what to do
	note string // what is there, or why it was not looked at
}

var errIll = errors.New("something is missing; see above")

// doctor looks at everything that a sign-in needs, and at what stands in its way,
// without asking for a touch.
func doctor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("keyagent doctor", flag.ContinueOnError)
	s.register(flags)
	if err := cli.Parse(flags, usage, args, stderr); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return cli.Usagef("%q: no arguments are taken beside flags", flags.Arg(0))
	}
	found := append(examineKey(s), examineEnvironment(os.Environ())...)
	found = append(found, examineIssuer(ctx, s), examinePlace())
	for _, host := range s.hosts {
		found = append(found, examineHost(ctx, host), examineAccess(ctx, host))
	}
	if len(s.hosts) == 0 {
		found = append(found, finding{what: "host", note: "not looked at: say -host URL"})
	}
	ill := false
	for _, f := range found {
		switch {
		case f.err != nil:
			ill = true
			fmt.Fprintf(stdout, "MISSING  %s: %v\n         %s\n", f.what, f.err, f.fix)
		case f.note != "":
			fmt.Fprintf(stdout, "ok       %s: %s\n", f.what, f.note)
		default:
			fmt.Fprintf(stdout, "ok       %s\n", f.what)
		}
	}
	if ill {
		return errIll
	}
	return nil
}

// udevFix lets whoever sits at the machine use security keys, and no other devices.
const udevFix = "sudo apt install libfido2-1 (Fedora: libfido2), whose udev rules let whoever sits at the machine use security keys; then plug the key in again"

// fidoUsage begins the report descriptor of a security key: usage page 0xF1D0,
// CTAP 2.1 §11.2.8.2.
var fidoUsage = []byte{0x06, 0xd0, 0xf1}

// fidoNodes are the nodes of keys, among those of keyboards and the like.
func fidoNodes() []string {
	all, _ := filepath.Glob("/sys/class/hidraw/*/device/report_descriptor")
	var nodes []string
	for _, path := range all {
		if descriptor, err := os.ReadFile(path); err == nil && bytes.Contains(descriptor, fidoUsage) {
			nodes = append(nodes, "/dev/"+filepath.Base(filepath.Dir(filepath.Dir(path))))
		}
	}
	return nodes
}

func examineKey(s settings) []finding {
	kind, where, _ := strings.Cut(s.key.Key, ":")
	f := finding{what: "key " + s.key.Key}
	switch kind {
	case "":
		f.what, f.note = "key", "not looked at: say -key KEY"
	case "soft", "remote":
		if _, err := os.Stat(where); err != nil {
			f.err = errors.New("there is no " + where)
			f.fix = map[string]string{
				"soft":   "make and register one: keyagent enroll -invite LINK -key " + s.key.Key,
				"remote": "run key serve where the key is, and forward its socket: ssh -R",
			}[kind]
		}
	case "usb":
		return []finding{examineUSB(s.key.Device)}
	}
	return []finding{f}
}

// examineUSB looks whether a key can be opened.
func examineUSB(device string) finding {
	f := finding{what: "key on USB"}
	nodes := []string{device}
	if device == "" {
		if runtime.GOOS != "linux" {
			f.err = errors.New("keys on USB are reached on Linux only")
			f.fix = "sign in with -key browser"
			return f
		}
		nodes = fidoNodes()
	}
	if len(nodes) == 0 {
		f.err = errors.New("no key is plugged in")
		f.fix = "plug it in; in a virtual machine or container pass /dev/hidraw* through; with no key at this machine: -key device"
		return f
	}
	var denied []string
	for _, node := range nodes {
		file, err := os.OpenFile(node, os.O_RDWR, 0)
		switch {
		case err == nil:
			_ = file.Close()
			return finding{what: f.what, note: node + " can be used"}
		case errors.Is(err, fs.ErrPermission):
			denied = append(denied, node)
		}
	}
	if len(denied) > 0 {
		f.err = fmt.Errorf("%s may not be opened by you", strings.Join(denied, ", "))
		f.fix = udevFix
		return f
	}
	f.err = fmt.Errorf("%s cannot be opened", strings.Join(nodes, ", "))
	f.fix = "plug the key in again; key list shows what is there"
	return f
}

// examineEnvironment finds what tools would take instead of the session.
func examineEnvironment(environ []string) []finding {
	f := finding{what: "environment"}
	var rivals []string
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		switch name {
		case "DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_PASSWORD", "DATABRICKS_CONFIG_PROFILE":
			rivals = append(rivals, name)
		case "DATABRICKS_AUTH_TYPE":
			if value != "metadata-service" && value != "file-oidc" {
				rivals = append(rivals, name)
			}
		}
	}
	if len(rivals) > 0 {
		f.err = fmt.Errorf("%s set: tools may take that instead of the session", strings.Join(rivals, " and "))
		f.fix = "unset " + strings.Join(rivals, " ") + ", or use keyagent exec, which does so"
	}
	return []finding{f}
}

func examineIssuer(ctx context.Context, s settings) finding {
	if s.issuer == "" {
		return finding{what: "issuer", note: "not looked at: say -issuer URL"}
	}
	f := finding{what: "issuer " + s.issuer}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := oidc.Discover(ctx, s.issuer, oidc.Options{}); err != nil {
		f.err = err
		f.fix = "check the URL, the network and HTTPS_PROXY; a private certificate authority is trusted by SSL_CERT_FILE"
	}
	return f
}

func examinePlace() finding {
	place, err := newRendezvous()
	if err != nil {
		return finding{what: "place to be found at", err: err, fix: "export XDG_RUNTIME_DIR=/run/user/" + fmt.Sprint(os.Getuid())}
	}
	return finding{what: "place to be found at", note: place.dir}
}

func examineHost(ctx context.Context, host string) finding {
	f := finding{what: "host " + host}
	at, err := origin.Parse(host)
	if err != nil {
		f.err, f.fix = err, "write it as https://dbc-….cloud.databricks.com"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/.well-known/databricks-config", nil)
	if err == nil {
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			return f
		}
	}
	f.err = err
	f.fix = "check the URL, the network and HTTPS_PROXY; a private certificate authority is trusted by SSL_CERT_FILE"
	return f
}

// examineAccess asks the agent that runs what the host said to it: whether a
// federation policy fits shows only to somebody who has signed in.
func examineAccess(ctx context.Context, host string) finding {
	f := finding{what: "access to " + host}
	at, err := origin.Parse(host)
	if err != nil {
		return f
	}
	p, err := (&choice{host: at}).one(ctx)
	if err != nil || p.Locked {
		f.note = "not known before somebody signs in"
		return f
	}
	for _, h := range p.Hosts {
		switch {
		case h.Host != at:
		case h.Error != "":
			f.err = errors.New(h.Error)
			f.fix = policyFix(p.Issuer)
		default:
			f.note = "as " + p.Subject
		}
	}
	return f
}

// policyFix is what an account's admin runs for the host to trust the issuer.
func policyFix(issuer string) string {
	return fmt.Sprintf(`an account admin makes the policy: databricks account federation-policy create --json '{"oidc_policy":{"issuer":%q}}'`, issuer)
}
