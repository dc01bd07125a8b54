package remote_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/remote"
)

// drain reads what the other side says until it hangs up.
func drain(conn net.Conn) []byte {
	b, _ := io.ReadAll(conn)
	return b
}

// A byte now and then keeps no connection open beyond the time for one frame.
func TestSlowLoris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t, keyFunc(answering), yes, remote.ServerOptions{})
		conn := pipe(t, server)
		start := time.Now()
		go drain(conn)
		for _, b := range append(remote.Hello(1, "h"), make([]byte, 100)...) {
			if _, err := conn.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(2 * time.Second)
		}
		require.LessOrEqual(t, time.Since(start), remote.FrameTimeout+2*time.Second)

		// Nor does one that never reads what it is sent.
		conn = pipe(t, server)
		_, err := conn.Write(remote.Hello(1, "h"))
		require.NoError(t, err)
		time.Sleep(2 * remote.FrameTimeout)
		_, err = conn.Write([]byte{0})
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

// A ceremony ends soon after its asker fell silent, and not before; and an asker
// learns that the machine with the key fell silent.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Time, 1)
		key := keyFunc(func(ctx context.Context, _ bool, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			ended <- time.Now()
			return nil, ctx.Err()
		})
		conn := pipe(t, newServer(t, key, yes, remote.ServerOptions{}))
		go drain(conn)
		start := time.Now()
		_, err := conn.Write(append(remote.Hello(1, "h"), remote.Asking(false, origin, []byte(gets))...))
		require.NoError(t, err)
		for range 20 {
			time.Sleep(remote.AliveEvery)
			_, err = conn.Write(remote.Alive())
			require.NoError(t, err)
		}
		require.Empty(t, ended, "ended although the asker was there")
		require.Equal(t, 20*remote.AliveEvery+remote.FrameTimeout, (<-ended).Sub(start))

		near, far := net.Pipe()
		go func() {
			buffer := make([]byte, 1024)
			far.Read(buffer)
			far.Write(remote.Hello(1, ""))
			for {
				if _, err := far.Read(buffer); err != nil {
					return
				}
			}
		}()
		start = time.Now()
		_, err = remote.Ask(t.Context(), near, "h", false, origin, []byte(gets))
		require.ErrorIs(t, err, remote.ErrDisconnected)
		require.Equal(t, remote.FrameTimeout, time.Since(start))
	})
}

// A touch may take minutes: both sides keep the connection alive.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := keyFunc(func(ctx context.Context, _ bool, _ string, _ []byte) ([]byte, error) {
			select {
			case <-time.After(9 * time.Minute):
				return []byte("{}"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		server := newServer(t, key, yes, remote.ServerOptions{})
		response, err := remote.Ask(t.Context(), pipe(t, server), "h", false, origin, []byte(gets))
		require.NoError(t, err)
		require.Equal(t, "{}", string(response))

		// Nor is there a limit of patience that hangs on the person: an approval
		// that nobody gives ends as well.
		server = newServer(t, key, func(ctx context.Context, _ remote.Request) error { <-ctx.Done(); return ctx.Err() }, remote.ServerOptions{})
		start := time.Now()
		_, err = remote.Ask(t.Context(), pipe(t, server), "h", false, origin, []byte(gets))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 15*time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start = time.Now()
		_, err = remote.Ask(ctx, pipe(t, newServer(t, keyFunc(untouched), yes, remote.ServerOptions{})), "h", false, origin, []byte(gets))
		require.Error(t, err)
		require.LessOrEqual(t, time.Since(start), 3*time.Second+100*time.Millisecond)
	})
}

// Whoever does not follow the protocol is told so and wakes nothing.
func TestGarbageToTheServer(t *testing.T) {
	hello, ask := string(remote.Hello(1, "h")), string(remote.Asking(false, origin, []byte(gets)))
	for name, c := range map[string]struct{ sent, told string }{
		"text":                  {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "does not speak"},
		"an oversized frame":    {"\x00\x01\x00\x01" + strings.Repeat("x", 100), "larger than the limit"},
		"an empty frame":        {"\x00\x00\x00\x00", "larger than the limit"},
		"an unknown kind":       {"\x00\x00\x00\x03\x82\x18\x63", "[kind, body]"},
		"kind 7":                {"\x00\x00\x00\x03\x82\x07\xa0", "unknown kind"},
		"no hello":              {ask, "no hello"},
		"another version":       {string(remote.Hello(2, "h")), "\x01\x03"},
		"a host with an escape": {string(remote.Hello(1, "h\x1b[2J")), "host name"},
		"no host":               {string(remote.Hello(1, "")), "host name"},
		"a long host":           {string(remote.Hello(1, strings.Repeat("h", 254))), "host name"},
		"two hellos":            {hello + hello, "no request"},
		"a result":              {hello + string(remote.Result([]byte("{}"))), "no request"},
		"a second request":      {hello + ask + ask, "out of turn"},
		"an unknown member":     {"\x00\x00\x00\x0a\x82\x01\xa3\x01\x01\x02\x61h\x03\x01", "does not fit"},
		"a longer spelling":     {"\x00\x00\x00\x09\x82\x01\xa2\x01\x18\x01\x02\x61h", "deterministic"},
		"trailing bytes":        {"\x00\x00\x00\x09\x82\x01\xa2\x01\x01\x02\x61h\x00", "[kind, body]"},
	} {
		t.Run(name, func(t *testing.T) {
			key := keyFunc(func(ctx context.Context, _ bool, _ string, _ []byte) ([]byte, error) {
				if name != "a second request" {
					t.Error("the key was woken")
				}
				<-ctx.Done()
				return nil, ctx.Err()
			})
			conn := pipe(t, newServer(t, key, yes, remote.ServerOptions{}))
			go conn.Write([]byte(c.sent))
			require.Contains(t, string(drain(conn)), c.told)
		})
	}
}

func TestGarbageToTheClient(t *testing.T) {
	hello := string(remote.Hello(1, ""))
	for name, sent := range map[string]string{
		"nothing":             "",
		"an SSH banner":       "SSH-2.0-OpenSSH_9.2p1\r\n",
		"an oversized frame":  "\xff\xff\xff\xff",
		"half a frame":        hello + string(remote.Result([]byte("{}"))[:6]),
		"a result at once":    string(remote.Result([]byte("{}"))),
		"a request":           hello + string(remote.Asking(false, origin, nil)),
		"two hellos":          hello + hello,
		"another version":     string(remote.Hello(9, "")),
		"a failure of number": hello + "\x00\x00\x00\x06\x82\x06\xa1\x01\x18\xff",
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			go io.Copy(io.Discard, far)
			go func() {
				far.Write([]byte(sent))
				far.Close()
			}()
			response, err := remote.Ask(t.Context(), near, "h", false, origin, []byte(gets))
			require.Error(t, err)
			require.Nil(t, response)
			require.NotEmpty(t, err.Error())
		})
	}
}

// What does not fit into a frame is refused where it is made.
func TestOversize(t *testing.T) {
	large := []byte(`{"challenge":"AAAA","rpId":"example.org","x":"` + strings.Repeat("x", remote.MaxFrame) + `"}`)
	key := keyFunc(func(context.Context, bool, string, []byte) ([]byte, error) { return large, nil })
	c := dial(t, serve(t, newServer(t, key, yes, remote.ServerOptions{})))
	_, err := c.Get(t.Context(), origin, large)
	require.ErrorContains(t, err, "larger than the limit")
	_, err = c.Get(t.Context(), origin, []byte(gets))
	require.ErrorContains(t, err, "larger than the limit")
	require.NotErrorIs(t, err, remote.ErrDisconnected)
}

// A Server keeps answering others while connections that say nothing are open.
func TestSilentConnections(t *testing.T) {
	path := serve(t, newServer(t, keyFunc(answering), yes, remote.ServerOptions{}))
	for range 10 {
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		defer conn.Close()
	}
	_, err := dial(t, path).Get(t.Context(), origin, []byte(gets))
	require.NoError(t, err)
}

// Whoever gives up a request and makes another one gets nothing of what the person
// meant for the first, neither a typed yes nor a touch.
func TestAPromptThatVanished(t *testing.T) {
	for name, atTheKey := range map[string]bool{"at the question": false, "at the key": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				prompts := make(chan time.Time, 2)
				waits := func(ctx context.Context) error {
					prompts <- time.Now()
					<-ctx.Done()
					return ctx.Err()
				}
				approve := func(ctx context.Context, _ remote.Request) error {
					if atTheKey {
						return nil
					}
					return waits(ctx)
				}
				key := keyFunc(func(ctx context.Context, _ bool, _ string, _ []byte) ([]byte, error) { return nil, waits(ctx) })
				server := newServer(t, key, approve, remote.ServerOptions{})
				ask := func() net.Conn {
					conn := pipe(t, server)
					go drain(conn)
					_, err := conn.Write(append(remote.Hello(1, "h"), remote.Asking(false, origin, []byte(gets))...))
					require.NoError(t, err)
					return conn
				}
				first := ask()
				<-prompts
				time.Sleep(5 * time.Second)
				_, err := first.Write(remote.Cancel())
				require.NoError(t, err)
				vanished := time.Now()
				second := ask()
				require.Equal(t, remote.Rest, (<-prompts).Sub(vanished))
				require.NoError(t, second.Close())
				synctest.Wait()

				// Nobody is kept waiting after a person's own answer, or for long.
				time.Sleep(remote.Rest)
				asked := time.Now()
				third := ask()
				require.Equal(t, asked, <-prompts)
				require.NoError(t, third.Close())
				synctest.Wait()
			})
		})
	}
}

// The person is told what is wanted beside a signature, however it is written.
func TestWhatIsWantedBesideASignature(t *testing.T) {
	type wants struct{ prf, reads, writes bool }
	for extensions, want := range map[string]wants{
		`{}`: {},
		`{"prf":null,"largeBlob":null,"credProps":true}`:  {},
		`{"prf":{"eval":{"first":"AAAA"}}}`:               {prf: true},
		`{"PRF":{}}`:                                      {prf: true},
		`{"prf":{},"prf":null}`:                           {},
		`{"largeBlob":{"read":true}}`:                     {reads: true},
		`{"largeBlob":{"read":true},"largeblob":{}}`:      {reads: true},
		`{"largeBlob":{"read":false,"write":"AAAA"}}`:     {writes: true},
		`{"prf":{},"largeBlob":{"Read":true,"WRITE":""}}`: {true, true, true},
	} {
		var got *wants
		server := newServer(t, keyFunc(answering), func(_ context.Context, r remote.Request) error {
			got = &wants{r.PRF, r.ReadsLargeBlob, r.WritesLargeBlob}
			return nil
		}, remote.ServerOptions{})
		_, err := dial(t, serve(t, server)).Get(t.Context(), origin, []byte(strings.TrimSuffix(gets, "}")+`,"extensions":`+extensions+"}"))
		require.NoError(t, err, extensions)
		require.Equal(t, &want, got, extensions)
	}
	server := newServer(t, keyFunc(answering), func(context.Context, remote.Request) error { t.Error("prompted"); return nil }, remote.ServerOptions{})
	_, err := dial(t, serve(t, server)).Get(t.Context(), origin, []byte(strings.TrimSuffix(gets, "}")+`,"extensions":{"prf":7}}`))
	require.ErrorContains(t, err, "extensions")
}
