package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/examples/internal/provider"
	"github.com/lakekey/lakekey/internal/secret"
)

const usage = `idp is an OpenID provider whose only credential is a FIDO2 key.

usage:
  idp -db DB -audit LOG [-listen ADDR] [-url URL] [-audience AUD ...]
      [-clients FILE] [-policy FILE] [-metadata FILE] [-quarantine] [-checkpoints PLACE ...]
      [-proxy NETWORK ...] [-providers FILE] [-metrics ADDR]
  idp invite -db DB -user EMAIL [-group GROUP ...]
                                    prints a one-time enrolment link
  idp keys list -db DB              lists the keys that tokens are signed with
  idp keys rotate -db DB            adds one, which signs in two days
  idp keys revoke -db DB -kid KID -reason TEXT
                                    takes one that was stolen out of use at once
  idp doctor [-providers FILE] [-db DB]
                                    says what will expire, and when

`

func main() { os.Exit(cli.Run(run)) }

// run is main with its surroundings passed in; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := serve
	switch {
	case len(args) > 0 && args[0] == "invite":
		command, args = invite, args[1:]
	case len(args) > 0 && args[0] == "keys":
		command, args = keys, args[1:]
	case len(args) > 0 && args[0] == "doctor":
		command, args = doctor, args[1:]
	}
	err := command(ctx, args, stdout, stderr)
	return cli.Status(ctx, "idp", err, stderr)
}

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("idp", flag.ContinueOnError)
	listen := fs.String("listen", "127.0.0.1:8080", "address to listen on; port 0 chooses a free one")
	address := fs.String("url", "", "the issuer, as clients reach it: https://HOST behind a proxy, or http://localhost:PORT on one machine (default: the latter, with the port of -listen)")
	db := fs.String("db", "", "where keys and sessions are kept: sqlite:FILE, postgres://USER@HOST/DATABASE for several replicas (with the password in PGPASSWORD), or memory: to try things out")
	log := fs.String("audit", "", "where the audit log is kept: a file, or \"db\" for the database of -db, where replicas share one log")
	auditKey := fs.String("audit-key", "", "file of the key that signs the audit log, made if it is not there; replicas need the same (default: the log's file with .key behind it; PostgreSQL has no default)")
	var checkpoints cli.List
	fs.Var(&checkpoints, "checkpoints", "where the log's signed checkpoints go as well, out of reach of whoever can write the log: a directory, such as a mounted object store, or a URL to post them to (with the token in LAKEKEY_CHECKPOINT_TOKEN); may be repeated")
	policy := fs.String("policy", "", "file that says which keys are accepted, from whom; see examples/idp/policy.yaml (default: any key that verifies its user)")
	clients := fs.String("clients", "", "file that lists the programs that may ask for tokens beside lakekey's own; see examples/idp/clients.json; read again when it changes (default: there are none)")
	signingAlg := fs.String("signing-alg", "", "how tokens are signed: ES256, or RS256 for who takes nothing else; a change takes two days (default: ES256)")
	signingKeys := fs.String("signing-keys", "", "file of private keys (PEM, PKCS #8) that tokens are signed with, in their order; one that is added is published at once and signs two days later (default: they are kept in -db, and replaced every 90 days)")
	metadata := fs.String("metadata", "", "file that keeps what the FIDO Alliance knows about key models, which rules about models need; fetched when it is due")
	offline := fs.Bool("metadata-offline", false, "fetch nothing: somebody puts the metadata into the file of -metadata")
	quarantine := fs.Bool("quarantine", false, "hold back keys that newer metadata makes unacceptable until an administrator has looked (default: they are refused and named in the log)")
	others := fs.String("providers", "", "file that lists other identity providers, whose word that a person's session was revoked ends theirs here, and whose certificates are watched; see examples/idp/providers.json (default: there are none)")
	metrics := fs.String("metrics", "", "address to serve metrics for Prometheus on, at /metrics, such as 127.0.0.1:9090: days left of certificates and of the signing key; port 0 chooses a free one (default: nowhere)")
	var proxies cli.List
	fs.Var(&proxies, "proxy", "address or network of the reverse proxy in front, whose X-Forwarded-For is believed, such as 127.0.0.1 or 10.0.0.0/24; may be repeated (default: nobody's is, and whoever comes through a proxy shares its address)")
	var audiences cli.List
	fs.Var(&audiences, "audience", "an audience that tokens may be for, such as a Databricks account id; may be repeated (default: any)")
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return cli.Usagef("%q: no arguments are taken beside flags and the command invite", fs.Arg(0))
	case *db == "":
		return cli.Usagef("-db is missing: where should keys be kept? For instance -db sqlite:lakekey.db")
	case *log == "":
		return cli.Usagef("-audit is missing: no token is issued without a record of it. For instance -audit audit.log")
	}
	if *offline && *metadata == "" {
		return errors.New("-metadata-offline needs -metadata: where is the metadata?")
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen %s: %v", *listen, err)
	}
	defer ln.Close()
	if *address == "" && !ln.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return fmt.Errorf("-listen %s can be reached from other machines: give the https address that they use as -url, with a proxy that serves it, or listen on 127.0.0.1", *listen)
	}
	if *address == "" {
		*address = fmt.Sprintf("http://localhost:%d", ln.Addr().(*net.TCPAddr).Port)
	}
	measured, err := listenMetrics(ctx, *metrics)
	if err != nil {
		return err
	}
	if measured != nil {
		defer measured.Close()
	}
	p, err := provider.Open(ctx, provider.Config{
		URL: *address, DB: *db, Audiences: audiences,
		Audit: *log, AuditKey: *auditKey, Checkpoints: checkpoints, CheckpointToken: secret.New(os.Getenv("LAKEKEY_CHECKPOINT_TOKEN")),
		Clients: *clients, Providers: *others, SigningAlgorithm: *signingAlg, SigningKeys: *signingKeys, Policy: *policy, Metadata: *metadata, MetadataOffline: *offline, Quarantine: *quarantine, Proxies: proxies,
		Logger: slog.New(slog.NewTextHandler(stderr, nil)),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n", *address)
	fmt.Fprintf(stderr, "idp: serving %s on %s\n", *address, ln.Addr())
	if *log == "db" {
		*log = "DB" // not repeated: it may hold a password
	}
	fmt.Fprintf(stderr, "idp: an auditor verifies the log with\n  audit verify -log %s -key '%s'\n", *log, p.VerifierKey)
	if len(audiences) == 0 {
		fmt.Fprintln(stderr, "idp: tokens may be for any audience; name the ones you want with -audience")
	}
	if strings.HasPrefix(*address, "https:") && len(proxies) == 0 {
		fmt.Fprintln(stderr, "idp: without -proxy everybody seems to come from the proxy that serves the URL: the log does not say from where, and one rate limit is for all")
	}
	if *policy != "" && *metadata == "" {
		fmt.Fprintln(stderr, "idp: without -metadata nothing is known about key models: rules of the policy that ask about them refuse every key")
	}
	if *db == "memory:" {
		fmt.Fprintln(stderr, "idp: -db memory: forgets every key when this program ends, and idp invite cannot reach it")
	}
	if measured != nil {
		fmt.Fprintf(stderr, "idp: metrics are at http://%s/metrics\n", measured.Addr())
		defer serveMetrics(measured, p)()
	}
	return errors.Join(serveUntilDone(ctx, ln, p), p.Close())
}

// serveUntilDone serves h on ln until ctx is done, and then finishes what is
// under way.
func serveUntilDone(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil { // somebody is slow, which must not keep this program alive
		return srv.Close()
	}
	return nil
}

func invite(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("idp invite", flag.ContinueOnError)
	db := fs.String("db", "", "the -db of the running provider: sqlite:FILE or postgres://…")
	user := fs.String("user", "", "the person's e-mail address, which is their Databricks user name")
	var groups cli.List
	fs.Var(&groups, "group", "a group that the person is in, such as admins, who look after other people's keys on the provider's page; may be repeated (default: those that they are in already)")
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return cli.Usagef("%q: no arguments are taken beside flags", fs.Arg(0))
	case *db == "":
		return cli.Usagef("-db is missing: give the -db of the running provider, such as sqlite:lakekey.db")
	case *user == "":
		return cli.Usagef("-user is missing: whom do you invite? For instance -user ada@example.com")
	}
	link, err := provider.Invite(ctx, *db, *user, groups...)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, link.Reveal())
	fmt.Fprintf(stderr, "idp: %s can register one key with this link within %v, in a browser or with\n  keyagent enroll -invite 'LINK' -key usb\n", *user, provider.InviteLifetime)
	return nil
}
