package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Status is what an agent tells about itself. None of it is a secret.
type Status struct {
	PID     int          `json:"pid"`
	Issuer  string       `json:"issuer"`
	Subject string       `json:"subject,omitempty"` // empty: nobody has signed in yet
	Session string       `json:"session,omitempty"`
	Locked  bool         `json:"locked"`
	Expires *time.Time   `json:"expires,omitempty"`
	Hosts   []HostStatus `json:"hosts"`
	Run     string       `json:"run"` // what started it
}

// HostStatus is one host of an agent.
type HostStatus struct {
	Host    string     `json:"host"`
	Expires *time.Time `json:"token_expires,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// environ is one host's variables. The last of them is a secret of the user's.
type environ struct {
	Host string      `json:"host"`
	Vars [][2]string `json:"vars"`
}

// news is a line about a sign-in under way.
type news struct {
	Say   string `json:"say,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
}

// control is the handler of the agent's socket, which only its user can reach.
func (a *agent) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { reply(w, a.status(r.Context())) })
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		var all []environ
		for i, s := range a.slots {
			all = append(all, environ{Host: s.host, Vars: a.environment(i)})
		}
		reply(w, all)
	})
	mux.HandleFunc("POST /touch", func(w http.ResponseWriter, r *http.Request) {
		out := json.NewEncoder(w)
		err := a.signIn(r.Context(), &teller{out: out, w: w})
		if err != nil {
			_ = out.Encode(news{Error: err.Error()})
			return
		}
		_ = out.Encode(news{Done: true})
	})
	mux.HandleFunc("POST /lock", func(w http.ResponseWriter, r *http.Request) {
		a.lock(context.WithoutCancel(r.Context()))
		reply(w, a.status(r.Context()))
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, struct{}{})
		select {
		case a.stopped <- struct{}{}:
		default:
		}
	})
	return mux
}

// teller sends what is written to it as news, at once.
type teller struct {
	out *json.Encoder
	w   http.ResponseWriter
}

// Write implements io.Writer.
func (t *teller) Write(p []byte) (int, error) {
	if err := t.out.Encode(news{Say: string(p)}); err != nil {
		return 0, err
	}
	return len(p), http.NewResponseController(t.w).Flush()
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// serveControl makes the agent one that is found.
func (a *agent) serveControl(ctx context.Context, l net.Listener) {
	a.controls = &http.Server{
		Handler: a.control(), ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() {
		if err := a.controls.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.log.Warn("nobody finds this agent any more", "error", err)
		}
	}()
}

// peer is a running agent, as another process sees it.
type peer struct {
	client *http.Client
	Status
}

const controlLimit = 1 << 20

// dial returns the agent of that name, or nil if none answers.
func (r rendezvous) dial(ctx context.Context, name string) *peer {
	path := r.dir + "/" + name + socketSuffix
	p := &peer{client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := p.call(ctx, http.MethodGet, "/status", &p.Status); err != nil {
		return nil
	}
	return p
}

func (p *peer) call(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://keyagent"+path, nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the agent is of another version: stop it and start it again")
	}
	return json.NewDecoder(io.LimitReader(resp.Body, controlLimit)).Decode(into)
}

// touch has the agent sign in, and repeats what it says meanwhile.
func (p *peer) touch(ctx context.Context, say io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://keyagent/touch", nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(io.LimitReader(resp.Body, controlLimit))
	for {
		var n news
		switch err := lines.Decode(&n); {
		case err != nil:
			return errors.New("the agent ended before the sign-in was done")
		case n.Done:
			return nil
		case n.Error != "":
			return errors.New(n.Error)
		}
		if _, err := io.WriteString(say, n.Say); err != nil {
			return err
		}
	}
}
