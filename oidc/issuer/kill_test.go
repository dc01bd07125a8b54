//go:build unix

package issuer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido/audit"
)

// points are the gaps between two steps, in the order in which a sign-in and
// one refresh pass them.
var points = []string{
	"challenge made", "request kept", "request taken", "proof verified", "session kept",
	"code taken", "code checked", "intent recorded", "tokens signed", "result recorded",
	"refresh checked", "intent recorded", "tokens signed", "refresh token replaced", "result recorded",
}

// TestKilledBetweenTwoSteps lets the issuer die, by SIGKILL, at each point of a
// sign-in with a refresh. Whatever token the client has got by then, its intent
// is in the log; the log verifies; and the next issuer works on what is left.
func TestKilledBetweenTwoSteps(t *testing.T) {
	if dir := os.Getenv("LAKEKEY_TEST_ISSUER"); dir != "" {
		serveUntilKilled(t, dir)
		return
	}
	t.Run("never", func(t *testing.T) {
		tokens := killAt(t, len(points))
		require.Len(t, tokens, 6, "id, access and refresh token, and those of a refresh")
	})
	for n, point := range points {
		t.Run(fmt.Sprint(n, " ", point), func(t *testing.T) {
			tokens := killAt(t, n)
			want := 0
			if n > 9 {
				want = 3
			}
			require.Len(t, tokens, want)
		})
	}
}

// killAt runs an issuer that dies at the n-th point and returns what the client
// got of it.
func killAt(t *testing.T, n int) []string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	s := site{dir: t.TempDir(), url: "http://localhost:" + port}
	require.NoError(t, os.WriteFile(s.dir+"/url", []byte(s.url), 0o600))

	// The key is enrolled before, by a program that ends in peace.
	key := newSecurityKey(t, softkey.Options{})
	c, err := s.open(t.Context())
	require.NoError(t, err)
	key.enroll(t, s, c.rp, "ada@example.com")
	c.close(t)

	self, err := os.Executable()
	require.NoError(t, err)
	listener, err := l.(*net.TCPListener).File()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestKilledBetweenTwoSteps$")
	child.Env = append(os.Environ(), "LAKEKEY_TEST_ISSUER="+s.dir, "LAKEKEY_TEST_POINT="+strconv.Itoa(n))
	child.ExtraFiles = []*os.File{listener}
	var said bytes.Buffer
	child.Stdout, child.Stderr = &said, &said
	require.NoError(t, child.Start())
	require.NoError(t, listener.Close())
	require.NoError(t, l.Close())

	tokens := useUntilDead(t, s, key)
	_ = child.Process.Kill() // it is dead, unless it was never to die
	_ = child.Wait()
	require.True(t, child.ProcessState.Sys().(syscall.WaitStatus).Signaled(), said.String())

	// The next issuer recovers the log, and serves the same person.
	c, err = s.open(t.Context())
	require.NoError(t, err)
	p := &person{p: &provider{Issuer: c.Issuer, time: time.Now()}, key: newDPoPKey(t), verifier: "a-verifier-of-at-least-forty-three-characters"}
	a := p.touch(t, s.url, key)
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	c.close(t)
	_, err = audit.VerifyFile(s.auditPath(), s.verifier(t), audit.VerifyOptions{})
	require.NoError(t, err)
	requireIntents(t, tokens, lines(t, readFile(t, s.auditPath())))
	return tokens
}

// serveUntilKilled is the child: an issuer on an inherited listener.
func serveUntilKilled(t *testing.T, dir string) {
	point, err := strconv.Atoi(os.Getenv("LAKEKEY_TEST_POINT"))
	require.NoError(t, err)
	c, err := site{dir: dir, url: string(readFile(t, dir+"/url"))}.open(t.Context())
	require.NoError(t, err)
	var mu sync.Mutex
	passed := 0
	c.SetFailPoint(func(name string) {
		mu.Lock()
		defer mu.Unlock()
		if passed == point {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way; nothing may happen meanwhile
		}
		if passed >= len(points) || points[passed] != name {
			t.Errorf("point %d is %q: the list of points is out of date", passed, name)
			os.Exit(1)
		}
		passed++
	})
	l, err := net.FileListener(os.NewFile(3, "listener"))
	require.NoError(t, err)
	require.NoError(t, http.Serve(l, c))
}

// useUntilDead signs in and refreshes once, as far as the issuer lives, and
// returns every token that arrived.
func useUntilDead(t *testing.T, s site, key securityKey) (tokens []string) {
	t.Helper()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	p := &person{key: newDPoPKey(t), verifier: "a-verifier-of-at-least-forty-three-characters"}
	send := func(path string, form url.Values) (a answer, alive bool) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", p.key.proof(s.url+path, time.Now()))
		resp, err := client.Do(r)
		if err != nil {
			return a, false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return a, false
		}
		require.NoError(t, json.Unmarshal(body, &a.body), string(body))
		for _, name := range []string{"id_token", "access_token", "refresh_token"} {
			if token := a.text(name); token != "" {
				tokens = append(tokens, token)
			}
		}
		return a, true
	}
	a, alive := send("/authorize-challenge", p.request("dpop_jkt", ""))
	if !alive {
		return tokens
	}
	if a, alive = send("/authorize-challenge", p.answer(t, s.url, key, a)); !alive {
		return tokens
	}
	if a, alive = send("/token", p.redemption(a.text("authorization_code"))); alive {
		_, _ = send("/token", p.refreshment(a.text("refresh_token")))
	}
	return tokens
}

// requireIntents: each token has an intent in the log, by its jti or its hash.
func requireIntents(t *testing.T, tokens []string, records []map[string]any) {
	t.Helper()
	intents := map[string]bool{}
	for _, r := range records {
		if event := r["event"].(map[string]any); r["phase"] == "intent" {
			for _, name := range []string{"token_id", "token_hash"} {
				if v, ok := event[name].(string); ok {
					intents[v] = true
				}
			}
		}
	}
	for _, token := range tokens {
		sum := sha256.Sum256([]byte(token))
		name := hex.EncodeToString(sum[:])
		if strings.Count(token, ".") == 2 {
			_, claims := decode(t, token)
			name = strings.TrimSuffix(claims["jti"].(string), ".at")
		}
		require.True(t, intents[name], "a token is out whose intent is not in the log")
	}
}
