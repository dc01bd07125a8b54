package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// errAskerGone is why a ceremony ends whose asker cancelled or vanished.
var errAskerGone = errors.New("remote: the asker gave up")

// converse answers on one connection: a hello, a request, an answer.
func (s *Server) converse(ctx context.Context, conn net.Conn) {
	l, err := newLine(conn)
	if err != nil {
		s.log.ErrorContext(ctx, "conversing", "error", err)
		conn.Close()
		return
	}
	defer l.readers.Wait()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	host, asked, err := s.listen(l)
	if asked == nil {
		// A Client that only looks whether somebody is there leaves like this.
		s.log.DebugContext(ctx, "connection without a request", "error", err)
		return
	}
	defer clear(asked.Options)
	response, err := s.ceremony(ctx, l, host, asked)
	defer clear(response)
	var last message = &result{Response: response}
	if err != nil {
		s.log.InfoContext(ctx, "request not served", "claimed_host", host, "create", asked.Create, "error", err)
		last = newFailure(err)
	}
	err = l.send(last, frameTimeout)
	if err != nil && !errors.Is(err, ErrDisconnected) {
		err = l.send(newFailure(err), frameTimeout)
	}
	if err != nil {
		s.log.InfoContext(ctx, "answer not delivered", "claimed_host", host, "error", err)
	}
}

// listen hears who asks for what. Whoever does not follow the protocol is told so.
func (s *Server) listen(l *line) (host string, asked *request, err error) {
	defer func() {
		if errors.Is(err, errProtocol) {
			_ = l.send(newFailure(err), hangUpTimeout)
		}
	}()
	first, err := l.receive()
	if err != nil {
		return "", nil, err
	}
	h, ok := first.(*hello)
	switch {
	case !ok:
		return "", nil, violation("no hello")
	case h.Version != version:
		_ = l.send(&failure{Code: codeVersion}, hangUpTimeout)
		return "", nil, fmt.Errorf("remote: the asker speaks version %d of the protocol", h.Version)
	case !isHost(h.Host):
		return "", nil, violation("a host name that is none")
	}
	if err := l.send(&hello{Version: version}, frameTimeout); err != nil {
		return "", nil, err
	}
	second, err := l.receive()
	if err != nil {
		return "", nil, err
	}
	if asked, ok = second.(*request); !ok {
		return "", nil, violation("no request")
	}
	return h.Host, asked, nil
}

// ceremony decides about a request and serves it, as long as the asker is there.
func (s *Server) ceremony(ctx context.Context, l *line, host string, asked *request) ([]byte, error) {
	// The Key checks the origin again. This is for the list, and for the person.
	data, extensions, err := asked.read()
	if err != nil {
		return nil, err
	}
	if !s.rpIDs[data.RPID] {
		return nil, fmt.Errorf("%w: the RP ID %s is not on its list", ErrNotAllowed, data.RPID)
	}
	if asked.Create && !s.create {
		return nil, fmt.Errorf("%w: it lets nobody register the key from afar", ErrNotAllowed)
	}
	if !s.takeTurn(ctx) {
		return nil, ErrBusy
	}
	defer func() { <-s.slot }()
	if left := s.calm.left(s.now()); left > 0 {
		return nil, fmt.Errorf("%w a moment ago: it may be asked again in %v", ErrDenied, left.Round(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, ceremonyTimeout)
	defer cancel()
	ctx, gone := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { l.keepAlive(ctx) })
	defer keeper.Wait()
	defer gone(nil)
	l.readers.Go(func() { l.watch(gone) })

	r := Request{
		RPID: data.RPID, Origin: data.Origin, Create: asked.Create, ClaimedHost: host,
		PRF: extensions.PRF != nil, ReadsLargeBlob: extensions.LargeBlob.Read, WritesLargeBlob: extensions.LargeBlob.Write != nil,
	}
	if !s.rested(ctx) {
		return nil, ended(ctx)
	}
	defer func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			s.resting = time.Now().Add(rest)
		}
	}()
	if err := s.approver.Approve(ctx, r); err != nil {
		if ctx.Err() != nil {
			return nil, ended(ctx)
		}
		s.calm.denied(s.now())
		s.log.InfoContext(ctx, "denied", "claimed_host", host, "rp_id", r.RPID, "for", s.calm.last, "error", err)
		return nil, ErrDenied
	}
	run := s.key.Get
	if asked.Create {
		run = s.key.Create
	}
	response, err := run(ctx, data.Origin, asked.Options)
	switch {
	case err == nil:
		s.calm.agreed()
	case errors.Is(err, statusOperationDenied): // the person said no at the key itself
		s.calm.denied(s.now())
	}
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, ended(ctx)
	}
	return response, err
}

// rested waits until the person has had a moment since a prompt that vanished.
func (s *Server) rested(ctx context.Context) bool {
	moment := time.NewTimer(time.Until(s.resting))
	defer moment.Stop()
	select {
	case <-moment.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// extensions are those that a person should know of. The names are read as the Key
// reads them, in any case and the last one counting, and null is nothing.
type extensions struct {
	PRF       *struct{} `json:"prf"`
	LargeBlob struct {
		Read  bool      `json:"read"`
		Write *anything `json:"write"`
	} `json:"largeBlob"`
}

// anything is any JSON but null.
type anything struct{}

func (*anything) UnmarshalJSON([]byte) error { return nil }

// read reads a request as the Key is going to.
func (r *request) read() (*webauthn.ClientData, *extensions, error) {
	var data *webauthn.ClientData
	var raw json.RawMessage
	if r.Create {
		c, err := webauthn.ReadCreation(r.Origin, r.Options)
		if err != nil {
			return nil, nil, err
		}
		data, raw = &c.ClientData, c.Options.Extensions
	} else {
		g, err := webauthn.ReadRequest(r.Origin, r.Options)
		if err != nil {
			return nil, nil, err
		}
		data, raw = &g.ClientData, g.Options.Extensions
	}
	var e extensions
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, nil, fmt.Errorf("remote: reading the options' extensions: %v", err)
		}
	}
	return data, &e, nil
}

// statusOperationDenied is CTAP2_ERR_OPERATION_DENIED.
const statusOperationDenied authenticator.Status = 0x27

// takeTurn waits a moment for the ceremony under way, if there is one.
func (s *Server) takeTurn(ctx context.Context) bool {
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case s.slot <- struct{}{}:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	return false
}

// ended says why a ceremony's ctx was cancelled: the asker is gone, or this Server
// stops, which to an asker who still hears it is a connection that ended.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		cause = ErrDisconnected
	}
	return fmt.Errorf("serving the remote request: %w", cause)
}

// watch ends a ceremony when its asker cancels, vanishes or talks nonsense.
func (l *line) watch(gone context.CancelCauseFunc) {
	for {
		m, err := l.receive()
		if err != nil {
			gone(err)
			return
		}
		switch m.(type) {
		case *alive:
		case *cancellation:
			gone(errAskerGone)
			return
		default:
			gone(violation("a frame out of turn"))
			return
		}
	}
}
