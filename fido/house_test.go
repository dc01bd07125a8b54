package fido_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
)

// eve administers; why is what she says.
var eve = fido.Act{By: "eve@example.com", Rationale: "because", RemoteAddr: "192.0.2.9"}

// inbox keeps notices.
type inbox struct {
	mu      sync.Mutex
	notices []fido.Notice
	err     error
}

func (b *inbox) Notify(_ context.Context, n fido.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notices = append(b.notices, n)
	return b.err
}

// types empties the inbox.
func (b *inbox) types() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.notices {
		all = append(all, n.Type)
	}
	b.notices = nil
	return all
}

// house is a relying party with everything that hears of a change.
type house struct {
	*fido.RelyingParty
	store fido.Store
	log   *audit.Log
	inbox *inbox
	at    time.Time
}

func newHouse(t testing.TB, store fido.Store, change ...func(*fido.Config)) *house {
	t.Helper()
	h := &house{store: store, inbox: &inbox{}, at: time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)}
	h.log, _ = memoryLog(t)
	cfg := config()
	cfg.Audit, cfg.InsecureNoAudit, cfg.Notifier = h.log, false, h.inbox
	cfg.Now = func() time.Time { return h.at }
	for _, c := range change {
		c(&cfg)
	}
	h.RelyingParty = party(t, cfg, store)
	return h
}

// pend makes the key as one is whose approval the policy asks for.
func (h *house) pend(t testing.TB, id []byte) {
	t.Helper()
	c, err := h.store.Credential(t.Context(), id)
	require.NoError(t, err)
	c.State, c.Approved = fido.StatePending, time.Time{}
	require.NoError(t, h.store.UpdateCredential(t.Context(), c))
}

// recorded returns the lines since the last call that hold the type.
func recorded(t testing.TB, log *audit.Log, typ string) (found []string) {
	t.Helper()
	for _, line := range lines(t, log) {
		if strings.Contains(line, `"type":"`+typ+`"`) {
			found = append(found, line)
		}
	}
	return found
}

func mustCredential(t testing.TB, h *house, id []byte) *fido.Credential {
	t.Helper()
	c, err := h.Credential(t.Context(), id)
	require.NoError(t, err)
	return c
}
