package issuer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

const (
	typeLogout  = "logout+jwt"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutLife: "preferably at most two minutes in the future" (§4).
	logoutLife = 2 * time.Minute
	// logoutTries are made 0, 1, 5, 21 and 85 s after the session ended.
	logoutTries   = 5
	logoutPause   = time.Second
	logoutTimeout = 10 * time.Second // of one try
	logoutWaiting = 1000             // that are under way at most
	logoutAtOnce  = 16               // connections
)

// logoutClaims are the claims of a logout token (OpenID Connect Back-Channel Logout
// 1.0 §2.4). A nonce is prohibited, so that it cannot pass for an ID token.
// https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
type logoutClaims struct {
	Issuer   string                         `json:"iss"`
	Subject  string                         `json:"sub"`
	Audience string                         `json:"aud"`
	IssuedAt int64                          `json:"iat"`
	Expires  int64                          `json:"exp"`
	ID       string                         `json:"jti"`
	Session  string                         `json:"sid"`
	Events   map[string]map[string]struct{} `json:"events"`
}

// backchannel tells clients that sessions of theirs are over.
type backchannel struct {
	http    *http.Client
	ctx     context.Context // ends with the issuer
	cancel  context.CancelFunc
	running sync.WaitGroup
	waiting atomic.Int64
	slots   chan struct{}
}

func newBackchannel() *backchannel {
	b := &backchannel{slots: make(chan struct{}, logoutAtOnce)}
	b.ctx, b.cancel = context.WithCancel(context.Background()) // whoever ended the session may hang up
	b.http = &http.Client{
		Timeout: logoutTimeout,
		// What is registered is where it goes, and nowhere that answer sends it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialFar,
			TLSHandshakeTimeout:    logoutTimeout,
			MaxResponseHeaderBytes: 16 << 10,
			MaxIdleConns:           logoutAtOnce,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
		},
	}
	return b
}

// dialFar keeps a name that somebody registered from leading to this machine, or to
// neighbours such as the cloud's metadata service, by what DNS says today. Loopback
// is for those whose registered URI says so (see [checkLogoutURI]).
func dialFar(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	d := net.Dialer{Control: func(_, to string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(to)
		if err != nil {
			return errors.New("issuer: not an address")
		}
		ip := at.Addr().Unmap()
		if ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip.IsLoopback() && !isLoopback(host) {
			return errors.New("issuer: that is an address of this machine or its neighbours")
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// checkLogoutURI is for whom a client may be told at: §2.2: "an absolute URI … MUST
// NOT include a fragment". It is https, or http on a loopback address.
func checkLogoutURI(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.Contains(s, "#") || len(s) > maxText:
		return errors.New("must be an absolute URL without a fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must be https, or http on 127.0.0.1 or [::1]")
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// tell lets the client of a session know that it is over, if it wants to, without
// keeping anybody waiting.
func (i *Issuer) tell(s *Session) {
	client, _ := i.client(s.ClientID)
	if client.BackchannelLogoutURI == "" || i.back.ctx.Err() != nil {
		return
	}
	if i.back.waiting.Add(1) > logoutWaiting {
		i.back.waiting.Add(-1)
		i.recordTold(s, errors.New("too many others are waiting to be told"))
		return
	}
	i.back.running.Go(func() {
		defer i.back.waiting.Add(-1)
		i.recordTold(s, i.deliver(client, s))
	})
}

// recordTold records what came of it.
func (i *Issuer) recordTold(s *Session, err error) {
	e := audit.Event{Type: eventLogout, Outcome: audit.OK, SessionID: s.ID, ClientID: s.ClientID, User: s.UserName}
	if err != nil {
		e.Outcome, e.Reason = audit.Failed, err.Error()
	}
	ctx := context.WithoutCancel(i.back.ctx)
	if err := i.audit.Append(ctx, e); err != nil {
		i.log.ErrorContext(ctx, "recording a back-channel logout", "session", s.ID, "error", err)
	}
}

// deliver tries until the client has understood, or will not.
func (i *Issuer) deliver(client Client, s *Session) error {
	var err error
	pause := logoutPause
	for try := range logoutTries {
		if try > 0 {
			t := time.NewTimer(pause)
			select {
			case <-t.C:
			case <-i.back.ctx.Done():
				t.Stop()
				return fmt.Errorf("this issuer ended before the client was told: %v", err)
			}
			pause *= 4
		}
		var again bool
		if again, err = i.deliverOnce(client, s); err == nil || !again {
			return err
		}
	}
	return err
}

func (i *Issuer) deliverOnce(client Client, s *Session) (again bool, err error) {
	select {
	case i.back.slots <- struct{}{}:
	case <-i.back.ctx.Done():
		return false, errors.New("this issuer ended before the client was told")
	}
	defer func() { <-i.back.slots }()
	signer, err := i.keyring.sign(i.back.ctx)
	if err != nil {
		return true, errors.New("no signing key could be had")
	}
	now := i.now()
	token, err := signer.sign(typeLogout, logoutClaims{
		Issuer: i.url.String(), Subject: s.UserName, Audience: client.ID,
		IssuedAt: now.Unix(), Expires: now.Add(logoutLife).Unix(), ID: newID(), Session: s.ID,
		Events: map[string]map[string]struct{}{logoutEvent: {}},
	})
	if err != nil {
		return true, errors.New("the logout token could not be signed")
	}
	r, err := http.NewRequestWithContext(i.back.ctx, http.MethodPost, client.BackchannelLogoutURI, strings.NewReader(url.Values{"logout_token": {token.Reveal()}}.Encode()))
	if err != nil {
		return false, errors.New("its backchannel_logout_uri is not a URL")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := i.back.http.Do(r)
	if err != nil {
		return true, errors.New("the client could not be reached") // the cause names addresses of its network
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10) // so that the connection can be used again
	switch code := answer.StatusCode; {
	// §2.8: "200 OK … some Web frameworks will substitute … 204 No Content".
	case code == http.StatusOK || code == http.StatusNoContent:
		return false, nil
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return true, errors.New("the client answered " + strconv.Itoa(code))
	default:
		return false, errors.New("the client answered " + strconv.Itoa(code))
	}
}

// Close gives up telling clients of sessions that are over, and waits until what is
// under way has ended. Nothing else of an issuer needs closing.
func (i *Issuer) Close() {
	i.back.cancel()
	i.back.running.Wait()
	i.back.http.CloseIdleConnections()
}
