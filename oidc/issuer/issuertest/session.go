package issuertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lakekey/lakekey/oidc/issuer"
)

// testEndMany: all that were meant end, those that had ended stay as they are, and
// nobody else's do.
func testEndMany(t *testing.T, s issuer.Store) {
	users, keys, clients := []string{"ada", "grace"}, [][]byte{{1}, {2}}, []string{"wiki", "job"}
	var all []issuer.Session
	for n := range 8 {
		se := Session(fmt.Sprint("id", n), hash("code", n))
		se.UserName, se.CredentialID, se.ClientID = users[n&1], keys[n>>1&1], clients[n>>2]
		must(t, s.AddSession(t.Context(), se))
		all = append(all, se)
	}
	_, err := s.EndSession(t.Context(), "id0", "before", epoch)
	must(t, err)
	ended := map[string]bool{"id0": true}
	for step, these := range []issuer.Sessions{
		{},
		{UserName: "nobody"},
		{UserName: "ada", ClientID: "job", CredentialID: keys[1]},
		{UserName: "grace", ClientID: "wiki"},
		{CredentialID: keys[0], ClientID: "job"},
		{UserName: "ada"},
		{CredentialID: keys[1]},
		{ClientID: "wiki"},
	} {
		var want, got []string
		for _, se := range all {
			if these.Include(&se) && !ended[se.ID] {
				want = append(want, se.ID)
				ended[se.ID] = true
			}
		}
		at := epoch.Add(time.Duration(step) * time.Minute)
		list, err := s.EndSessions(t.Context(), these, "why", at)
		must(t, err)
		for _, se := range list {
			if !se.Ended.Equal(at) || se.EndReason != "why" || se.ClientID == "" {
				t.Fatalf("%v: session %s comes back with %v %q", these, se.ID, se.Ended, se.EndReason)
			}
			got = append(got, se.ID)
		}
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Fatalf("%v: ended %v, want %v", these, got, want)
		}
	}
	if len(ended) != len(all) {
		t.Fatalf("ended %d sessions of %d", len(ended), len(all))
	}
	first, err := s.SessionByID(t.Context(), "id0")
	must(t, err)
	if first.EndReason != "before" {
		t.Fatal("a session ended twice")
	}
}
