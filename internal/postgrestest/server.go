package postgrestest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// superuser may do everything without a password; any other role needs its own.
const superuser = "lakekey"

// Options are the optional settings of a server.
type Options struct {
	// Durable makes the server wait for the disk, as one that keeps anything
	// must. Without it tests are quick, and only a crash of the machine loses data.
	Durable bool
}

// Server is a PostgreSQL server.
type Server struct {
	bin, dir string
	account  account
	lifeline io.WriteCloser // its end is the server's, see [Server.watch]
	watcher  *exec.Cmd
}

var shared struct {
	sync.Mutex
	server *Server
}

// URL returns an address at which there is nothing yet: a new schema, which goes
// when the test ends, and in which all names are looked up. All tests of a process
// share one server and one database, since a new database takes twenty times as
// long as a schema; [Server.URL] makes one.
func URL(t testing.TB) string {
	t.Helper()
	bin := installed(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		s, err := start(bin, Options{})
		if err != nil {
			t.Fatal(err)
		}
		shared.server = s // until the process ends
	}
	s, schema := shared.server, "t_"+strings.ToLower(rand.Text())
	s.Exec(t, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { s.Exec(t, "DROP SCHEMA "+schema+" CASCADE") })
	return s.address("postgres", schema)
}

// Start starts a server that lives as long as the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := start(installed(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.lifeline.Close()
		if err := s.watcher.Wait(); err != nil {
			t.Errorf("postgrestest: ending the server: %v", err)
		}
	})
	return s
}

func installed(t testing.TB) string {
	t.Helper()
	supported(t)
	return installation(t)
}

func start(bin string, o Options) (_ *Server, err error) {
	s := &Server{bin: bin}
	if s.account, err = unprivileged(); err != nil {
		return nil, err
	}
	// Not t.TempDir: its parents are closed to other accounts, and the path of a
	// socket has at most 107 bytes.
	if s.dir, err = os.MkdirTemp("", "lakekey-postgres-"); err != nil {
		return nil, fmt.Errorf("postgrestest: %v", err)
	}
	if err := s.account.give(s.dir); err != nil {
		return nil, fmt.Errorf("postgrestest: %v", err)
	}
	if err := s.watch(); err != nil {
		return nil, err
	}
	if err = s.initialise(o); err == nil {
		err = s.control("start")
	}
	if err != nil {
		_ = s.lifeline.Close()
		return nil, err
	}
	return s, nil
}

// watch starts what stops the server and removes its directory when this process
// closes the lifeline, or ends in any way at all: also when it is killed.
func (s *Server) watch() (err error) {
	s.watcher = s.command("/bin/sh", "-c", `read -r _; "$1/pg_ctl" stop -s -m immediate -D "$2/data"; cd / && rm -rf "$2"`, "sh", s.bin, s.dir)
	if s.lifeline, err = s.watcher.StdinPipe(); err != nil {
		return fmt.Errorf("postgrestest: %v", err)
	}
	if err := s.watcher.Start(); err != nil {
		return fmt.Errorf("postgrestest: starting the watch over the server: %v", err)
	}
	return nil
}

func (s *Server) initialise(o Options) error {
	data := filepath.Join(s.dir, "data")
	if err := s.run("initdb", "--no-sync", "--username="+superuser, "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", data); err != nil {
		return err
	}
	settings := fmt.Sprintf("listen_addresses = ''\nunix_socket_directories = '%s'\nmax_connections = 300\nlog_min_messages = warning\n", s.dir)
	if !o.Durable {
		settings += "fsync = off\nfull_page_writes = off\n"
	}
	for name, text := range map[string]string{
		"postgresql.auto.conf": settings,
		"pg_hba.conf":          "local all " + superuser + " trust\nlocal all all scram-sha-256\n",
	} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("postgrestest: %v", err)
		}
	}
	return nil
}

// control runs pg_ctl, which returns when what it was asked for is so.
func (s *Server) control(verb string, args ...string) error {
	args = append([]string{verb, "-s", "-w", "-t", "600", "-D", filepath.Join(s.dir, "data"), "-l", filepath.Join(s.dir, "log")}, args...)
	err := s.run("pg_ctl", args...)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log")) // says more than pg_ctl, if it is there
		return fmt.Errorf("%w\n%s", err, log)
	}
	return nil
}

// Stop stops the server as a crash would: clients lose their connections in the
// middle of whatever they do. What was committed is there when it starts again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.control("stop", "-m", "immediate"); err != nil {
		t.Fatal(err)
	}
}

// Start starts the server again after Stop, at the same addresses.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.control("start"); err != nil {
		t.Fatal(err)
	}
}

// URL returns the address of a new and empty database on the server.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	name := "t_" + strings.ToLower(rand.Text())
	s.Exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.Exec(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.address(name, "")
}

func (s *Server) address(database, schema string) string {
	q := url.Values{"host": {s.dir}}
	if schema != "" {
		q.Set("search_path", schema)
	}
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}

// Exec runs a statement as the superuser of the server, outside any of the
// databases that URL made.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	if err := s.run("psql", "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-c", statement, s.address("postgres", "")); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	// Clean-ups run programs too, when the context of the test is done.
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir, cmd.Env = s.dir, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	s.account.run(cmd)
	return cmd
}

func (s *Server) run(program string, args ...string) error {
	cmd := s.command(filepath.Join(s.bin, program), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("postgrestest: %s: %v: %s", program, err, out)
	}
	return nil
}
