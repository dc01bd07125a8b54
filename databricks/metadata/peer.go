package metadata

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// errNoPeer means that the system was asked and knows no such connection.
var errNoPeer = errors.New("metadata: the system lists no such connection")

// connection is what is known about one client connection: the user at its other
// end, found out once, because that costs a look at all connections.
type connection struct {
	once sync.Once
	uid  int
	err  error
}

type connectionKey struct{}

// ConnContext is for the ConnContext of the [http.Server] that serves s: the
// user at the other end of a connection is then looked up once and not with every
// request. It is optional.
func (s *Server) ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, new(connection))
}

// sameUser reports whether the process that asks runs as this process's user. On
// systems that cannot tell it is always true; where it cannot be found out
// although the system can tell, it is not.
func (s *Server) sameUser(r *http.Request) bool {
	if s.options.InsecureAnyUser || s.peer == nil {
		return true
	}
	c, ok := r.Context().Value(connectionKey{}).(*connection)
	if !ok {
		c = new(connection)
	}
	c.once.Do(func() {
		c.uid, c.err = -1, errNoPeer
		var client netip.AddrPort
		if client, c.err = netip.ParseAddrPort(r.RemoteAddr); c.err == nil {
			c.uid, c.err = s.peer(client, s.addr)
		}
	})
	if c.err != nil {
		s.options.Logger.WarnContext(r.Context(), "cannot tell whose process asks", "error", c.err)
		return false
	}
	return c.uid == s.user
}
