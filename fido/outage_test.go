package fido_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/postgres"
	"github.com/lakekey/lakekey/internal/postgrestest"
)

// accepted is an answer that was let in once.
type accepted struct {
	ceremony *fido.Ceremony
	response []byte
}

// outage is two replicas that people sign in at while their server goes and comes
// back.
type outage struct {
	replicas [2]*fido.RelyingParty
	done     chan struct{}
	failed   atomic.Int64 // calls that met no server

	mu  sync.Mutex
	all []accepted
}

func (o *outage) accepted() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.all)
}

// said checks that an error is the outage's, and says so.
func (o *outage) said(t *testing.T, err error) {
	o.failed.Add(1)
	if !strings.Contains(err.Error(), "postgresdb: ") {
		t.Errorf("during an outage: %v", err)
	}
}

// signInUntilDone answers each ceremony at both replicas at once.
func (o *outage) signInUntilDone(t *testing.T, name string, key *forge) {
	for {
		select {
		case <-o.done:
			return
		default:
		}
		c, err := o.replicas[0].BeginSignIn(t.Context(), fido.SignInRequest{UserName: name})
		if err != nil {
			o.said(t, err)
			time.Sleep(time.Millisecond) // somebody who tries again, not a flood
			continue
		}
		response := key.assert(t, c.Options)
		var wg sync.WaitGroup
		var won atomic.Int64
		for _, rp := range o.replicas {
			wg.Go(func() {
				_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, response)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, fido.ErrCeremonyNotFound):
					o.said(t, err)
				}
			})
		}
		wg.Wait()
		switch won.Load() {
		case 0:
		case 1:
			o.mu.Lock()
			o.all = append(o.all, accepted{c, response})
			o.mu.Unlock()
		default:
			t.Errorf("%d sign-ins with one ceremony", won.Load())
		}
	}
}

// TestServerRestartsInTheMiddle crashes the database server under people who sign
// in. What fails says why, all goes on when it is back, and nothing that was let in
// before the crash is let in again after it.
func TestServerRestartsInTheMiddle(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{Durable: true})
	address := server.URL(t)
	o := &outage{done: make(chan struct{})}
	for i := range o.replicas {
		s, err := postgres.Open(t.Context(), address)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		o.replicas[i] = party(t, config(), s)
	}
	until := func(happened func() bool) {
		for !happened() && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		name, key := fmt.Sprintf("person%d@example.com", i), newForge(t, fido.EdDSA)
		enrol(t, o.replicas[0], name, key)
		wg.Go(func() { o.signInUntilDone(t, name, key) })
	}
	crashes := 3
	if testing.Short() {
		crashes = 1
	}
	for range crashes {
		before := o.accepted()
		until(func() bool { return o.accepted() > before+20 })
		met := o.failed.Load()
		server.Stop(t)
		until(func() bool { return o.failed.Load() > met+8 })
		server.Start(t)
	}
	before := o.accepted()
	until(func() bool { return o.accepted() > before+20 })
	close(o.done)
	wg.Wait()

	for _, a := range o.all {
		for _, rp := range o.replicas {
			_, err := rp.FinishSignIn(t.Context(), a.ceremony.ID, fido.PurposeSignIn, a.response)
			require.ErrorIs(t, err, fido.ErrCeremonyNotFound)
		}
	}
}
