package examples_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/notebook"
)

// sink keeps what the programs of one test said and which secrets went over the wire
// between them. When the test has ended and its programs with it, no secret may be in
// anything that they said.
type sink struct {
	mu      sync.Mutex
	said    []saying
	secrets map[string]credential // by text
}

// saying is what one program wrote to one of its outputs.
type saying struct {
	program string
	result  bool // standard output, which people ask for
	text    func() string
}

// credential says what a secret is.
type credential struct {
	kind string
	// asked: it is what a person asks a program for, such as an enrolment link, and may
	// be in its standard output.
	asked bool
}

var sinks sync.Map // of *sink, by the name of the test

// sinkOf is the sink of a test and its subtests.
func sinkOf(t *testing.T) *sink {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	s, there := sinks.LoadOrStore(name, &sink{secrets: map[string]credential{}})
	if !there {
		t.Cleanup(func() {
			sinks.Delete(name)
			s.(*sink).requireSilence(t)
		})
	}
	return s.(*sink)
}

// listen adds an output of a program.
func (s *sink) listen(program string, result bool, text func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, saying{program, result, text})
}

const shortestSecret = 16 // what is shorter may be in a text by chance

// add adds a secret.
func (s *sink) add(kind, text string, asked bool) {
	if len(text) < shortestSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.secrets[text]; known {
		return // by the name that it had first
	}
	s.secrets[text] = credential{kind, asked}
	// Whoever cuts a JWT into its parts shows it all the same.
	if parts := strings.Split(text, "."); jwt.MatchString(text) && len(parts) > 2 {
		s.secrets[parts[len(parts)-1]] = credential{"signature of a " + kind, asked}
	}
}

// kinds are those of the secrets that were seen.
func (s *sink) kinds() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, c := range s.secrets {
		n[c.kind]++
	}
	return n
}

// goKey is how package fmt prints a private key.
var goKey = regexp.MustCompile(`PrivateKey\{|\bD:\s*(?:\(\*big|\+?[0-9]{20,}|\[?0x)`)

// requireSilence requires that nothing secret was said.
func (s *sink) requireSilence(t *testing.T) {
	t.Helper()
	for _, leak := range s.leaks(t) {
		t.Error(leak)
	}
}

// leaks are the secrets that were said, as they are or encoded: those that were seen
// on the wire, and whatever looks like one, because the keys that never leave a program
// are known to nobody. They are named, not shown.
func (s *sink) leaks(t *testing.T) (all []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	scanner := notebook.NewScanner()
	for _, what := range s.said {
		text := what.text()
		for secret, c := range s.secrets {
			if c.asked && what.result {
				continue
			}
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))} {
				if strings.Contains(text, form) {
					all = append(all, what.program+" said a secret: "+c.kind)
				}
			}
		}
		if goKey.MatchString(text) {
			all = append(all, what.program+" said a private key")
		}
		found, err := scanner.Find(context.WithoutCancel(t.Context()), []byte(text)) // the test has ended
		require.NoError(t, err)
		for _, f := range found {
			if f.Kind != "metadata-url" || !what.result { // which it is asked for
				all = append(all, what.program+" said what looks like a secret: "+f.String())
			}
		}
	}
	return all
}

// requireNotKept requires that no file below the folders holds a secret that was seen.
func (s *sink) requireNotKept(t *testing.T, folders ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, folder := range folders {
		require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			for secret, c := range s.secrets {
				require.False(t, bytes.Contains(b, []byte(secret)), "%s is in %s", c.kind, path)
			}
			return err
		}))
	}
}

// The whole chain: every secret that it knows goes by, none is said, none is kept.
func TestNothingSecretIsSaid(t *testing.T) {
	w := newWorld(t)
	s := sinkOf(t)
	agent, vars := w.agent(t)
	w.token(t, vars)
	said, problems, code := call(t, w.client, "keyagent", "exec", "-issuer", w.issuer, "-host", w.host, "-key", w.key, "--", "true")
	require.Zero(t, code, "%s%s", said, problems)
	agent.interrupt(t)
	seen := s.kinds()
	for _, kind := range []string{
		"admin token", "invite", "auth_session", "authorization_code", "code_verifier", "DPoP proof", "refresh_token", "id_token", "access_token",
	} {
		require.Positive(t, seen[kind], "%s: not seen among %v", kind, seen)
	}
	s.requireNotKept(t, w.client, w.server)
}

// The sink is not deaf.
func TestSink(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	scalar, err := key.Bytes()
	require.NoError(t, err)
	secret := rand.Text()
	token := "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ." + rand.Text() + rand.Text()
	for text, leaks := range map[string]int{
		"all is well at https://localhost/x, session " + rand.Text():              0,
		"level=INFO refresh=" + secret:                                            1,
		hex.EncodeToString([]byte(secret)):                                        1,
		base64.StdEncoding.EncodeToString([]byte(secret)):                         1,
		"the signature is " + token[strings.LastIndex(token, ".")+1:]:             1,
		"an unknown " + strings.Replace(token, ".", ".e30", 1):                    2, // its signature is known
		fmt.Sprintf("%+v", key):                                                   1,
		`{"kty":"EC","d":"` + base64.RawURLEncoding.EncodeToString(scalar) + `"}`: 1,
	} {
		s := &sink{secrets: map[string]credential{}}
		s.add("refresh_token", secret, false)
		s.add("id_token", token, false)
		s.listen("program", true, func() string { return text })
		require.Len(t, s.leaks(t), leaks, text)
	}
	s := &sink{secrets: map[string]credential{}}
	s.add("invite", secret, true)
	link := func() string { return "http://localhost:1/enroll#" + secret }
	s.listen("idp", true, link)
	require.Empty(t, s.leaks(t), "what is asked for is the answer")
	s.listen("idp", false, link)
	require.Len(t, s.leaks(t), 1, "a log is no answer")
}
