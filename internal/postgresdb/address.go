package postgresdb

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxConns is how many connections a DB has open at most, unless the address
// says otherwise. Four stores in each of four replicas keep below the hundred
// that a server allows if nobody tells it more.
const maxConns = 6

const connectTimeout = 10 * time.Second

// settings bound what the server does for us, unless the address sets them.
// https://www.postgresql.org/docs/current/runtime-config-client.html
var settings = map[string]string{
	"application_name":                    "lakekey",
	"statement_timeout":                   "15s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "60s",
}

// parse reads an address. Its errors hold no part of the address but names of
// parameters.
func parse(address string) (cfg *pgx.ConnConfig, conns int, err error) {
	const form = "postgres://USER@HOST:PORT/DATABASE"
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" {
		return nil, 0, errors.New("postgresdb: the address does not read as " + form + " (special characters in a password are written %XX)")
	}
	q := u.Query()
	conns = maxConns
	if n := q.Get("pool_max_conns"); n != "" { // as pgxpool calls it
		if conns, err = strconv.Atoi(n); err != nil || conns < 1 {
			return nil, 0, errors.New("postgresdb: pool_max_conns in the address must be a number above 0")
		}
	}
	q.Del("pool_max_conns")
	u.RawQuery = q.Encode()
	if cfg, err = pgx.ParseConfig(u.String()); err == nil && !q.Has("sslmode") && remote(cfg) {
		// What the driver does by default, "prefer", is content with no TLS at all.
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
		cfg, err = pgx.ParseConfig(u.String())
	}
	if err != nil {
		return nil, 0, fmt.Errorf("postgresdb: the address does not read as %s: %s", form, complaint(err))
	}
	for name, value := range settings {
		if _, ok := cfg.RuntimeParams[name]; !ok {
			cfg.RuntimeParams[name] = value
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	// A server that fell silent, or a network that lost it, is given up after
	// half a minute, also in the middle of a statement.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}}
	cfg.DialFunc = dialer.DialContext
	return cfg, conns, nil
}

// complaint is what the driver has to say about an address, without the address
// or any part of it: "cannot parse `address`: what (why (quoting the address))".
func complaint(err error) string {
	text := err.Error()
	what, _, _ := strings.Cut(text[strings.LastIndex(text, "`: ")+1:], " (")
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	why := err.Error()
	if strings.ContainsAny(what+why, "`\"") || strings.Contains(what+why, "://") {
		return "one of its parts is malformed"
	}
	return strings.TrimPrefix(what, ": ") + ": " + why
}

// remote reports whether a host of the configuration is another machine, as far
// as its name tells.
func remote(cfg *pgx.ConnConfig) bool {
	hosts := []string{cfg.Host}
	for _, f := range cfg.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	for _, host := range hosts {
		if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" { // a Unix socket, or here
			continue
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
			return true
		}
	}
	return false
}
