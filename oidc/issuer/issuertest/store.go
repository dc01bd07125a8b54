package issuertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// Options are the optional settings of [TestStore].
type Options struct {
	// Rounds is how many times each race is run; 0 means 1,000. With -short it
	// is a tenth of that.
	Rounds int
}

// TestStore checks the stores that open returns, a new and empty one each time.
func TestStore(t *testing.T, o Options, open func(t *testing.T) issuer.Store) {
	if o.Rounds == 0 {
		o.Rounds = 1000
	}
	if testing.Short() {
		o.Rounds = max(5, o.Rounds/10)
	}
	t.Run("Keys", func(t *testing.T) { testKeys(t, open(t)) })
	t.Run("KeysRace", func(t *testing.T) { testKeysRace(t, open(t)) })
	t.Run("Request", func(t *testing.T) { testRequest(t, open(t)) })
	t.Run("RequestRace", func(t *testing.T) { testRequestRace(t, open(t), o.Rounds) })
	t.Run("Code", func(t *testing.T) { testCode(t, open(t)) })
	t.Run("Binding", func(t *testing.T) { testBinding(t, open(t)) })
	t.Run("CodeRace", func(t *testing.T) { testCodeRace(t, open(t), o.Rounds) })
	t.Run("Refresh", func(t *testing.T) { testRefresh(t, open(t)) })
	t.Run("RefreshRace", func(t *testing.T) { testRefreshRace(t, open(t), o.Rounds) })
	t.Run("End", func(t *testing.T) { testEnd(t, open(t)) })
	t.Run("EndRace", func(t *testing.T) { testEndRace(t, open(t), o.Rounds) })
	t.Run("EndMany", func(t *testing.T) { testEndMany(t, open(t)) })
	t.Run("Proof", func(t *testing.T) { testProof(t, open(t)) })
	t.Run("ProofRace", func(t *testing.T) { testProofRace(t, open(t), o.Rounds) })
	t.Run("Sweep", func(t *testing.T) { testSweep(t, open(t)) })
}

// Session returns a session that has every field set.
func Session(id string, code issuer.Hash) issuer.Session {
	return issuer.Session{
		ID:             id,
		ClientID:       "client",
		UserHandle:     []byte("handle"),
		UserName:       "ada@example.com",
		CredentialID:   []byte{1, 2, 3},
		AAGUID:         "00000000-0000-0000-0000-000000000001",
		Attestation:    "rooted",
		UserVerified:   true,
		Scope:          "openid",
		Audience:       "audience",
		Nonce:          "nonce",
		CodeChallenge:  "challenge",
		JKT:            "thumbprint",
		RedirectURI:    "https://client.example.com/callback",
		Device:         true,
		IDClaims:       []string{"email"},
		UserinfoClaims: []string{"preferred_username"},
		ACR:            "phrh",
		AMR:            []string{"hwk", "user", "mfa"},
		AuthTime:       epoch,
		Code:           code,
		CodeExpires:    epoch.Add(time.Minute),
		Expires:        epoch.Add(time.Hour),
		RefreshSeed:    []byte("seed"),
	}
}

// Race runs fn in n goroutines that start together and counts those for which
// it returned nil. Any error but ErrTaken and ErrNotFound fails the test.
func Race(t *testing.T, n int, fn func(int) error) int {
	t.Helper()
	var wins atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for k := range n {
		wg.Go(func() {
			<-start
			switch err := fn(k); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, issuer.ErrTaken) && !errors.Is(err, issuer.ErrNotFound):
				t.Errorf("taker %d: %v", k, err)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(wins.Load())
}

// takers is how many goroutines fight for one thing.
const takers = 64

// epoch has no monotonic reading and whole microseconds, which every database
// can keep.
var epoch = time.Date(2026, 11, 1, 8, 0, 0, 123456000, time.UTC)

func hash(s string, n int) issuer.Hash { return issuer.HashOf(secret.New(fmt.Sprint(s, n))) }

func request(id issuer.Hash) issuer.Request {
	return issuer.Request{
		ID:               id,
		Kind:             "page",
		ClientID:         "client",
		Scope:            "openid",
		Audience:         "audience",
		Nonce:            "nonce",
		CodeChallenge:    "challenge",
		ACRValues:        []string{"phrh", "phr"},
		JKT:              "thumbprint",
		JKTProven:        true,
		Created:          epoch,
		Expires:          epoch.Add(5 * time.Minute),
		RedirectURI:      "https://client.example.com/callback",
		State:            "state \x00\"<>",
		ResponseMode:     "form_post",
		Subject:          "ada@example.com",
		LoginHint:        "grace@example.com",
		IDClaims:         []string{"email"},
		UserinfoClaims:   []string{"preferred_username"},
		Error:            "access_denied",
		ErrorDescription: "because",
		Device:           hash("device", 0),
		UserCode:         "BCDF-GHJK-42",
		Place:            "192.0.2.1",
		Agent:            "agent",
	}
}

func key(id string) issuer.Key {
	return issuer.Key{ID: id, Public: []byte("public \x00\xff of " + id), PKCS8: secret.New("pkcs8 \x00\xff of " + id), Created: epoch, SignsFrom: epoch.Add(time.Second)}
}
