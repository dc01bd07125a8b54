package authenticatortest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// Ceremonies is what registers and signs in: an authenticator.Client, or what has its
// methods.
type Ceremonies interface {
	Create(ctx context.Context, origin string, options []byte) ([]byte, error)
	Get(ctx context.Context, origin string, options []byte) ([]byte, error)
}

// OpenClient makes Ceremonies of keys that are plugged in, none perhaps. ui is the
// person, nil for nobody. It registers the clean-up.
type OpenClient func(t testing.TB, ui authenticator.UI, keys ...authenticator.Transport) Ceremonies

// Departure is a row of [TestClient] that a backend cannot follow.
type Departure struct {
	Row    string
	Reason string // why it cannot
	Says   string // part of how the row fails
}

// row is one demand on a client. It fails through its trial.
type row struct {
	name string
	run  func(t *trial, b *clientBench)
}

func rows() []row {
	return []row{
		{"registers and signs in", clientSignsIn},
		{"a sign-in without a list", clientDiscovers},
		{"an exclude list", clientExcludes},
		{"a list of strangers", clientKnowsNobody},
		{"an algorithm that the key does not know", clientAlgorithms},
		{"several accounts", clientAccounts},
		{"several accounts and nobody to choose", clientChoiceless},
		{"PIN asked for", clientAsksPIN},
		{"PIN wrong, then right", clientWrongPIN},
		{"PIN wrong twice in the same way", clientStubbornPIN},
		{"PIN wrong until the key wants to be plugged in anew", clientBlockedPIN},
		{"PIN wrong eight times", clientEightPINs},
		{"a key that is full", clientFullKey},
		{"PIN needed and nobody to ask", clientPINless},
		{"PIN that the person does not tell", clientMutePerson},
		{"user verification discouraged", clientDiscouraged},
		{"user verification preferred", clientPreferred},
		{"user verification required", clientRequired},
		{"a finger", clientFinger},
		{"a finger, and the PIN when it is not known", clientStrangeFinger},
		{"no key and nobody to plug one in", clientKeyless},
		{"of two keys the one that is touched", clientTouchChooses},
		{"of two keys the wrong one says why", clientWrongKey},
		{"cancelled while the key blinks", clientCancelled},
		{"out of time while the key blinks", clientLate},
		{"cancelled while the PIN is asked for", clientCancelledPIN},
		{"a done ctx wakes no key", clientDone},
		{"a refusal at the key", clientRefused},
		{"a second request waits for the first", clientQueues},
		{"credProps", clientCredProps},
		{"credProtect", clientCredProtect},
		{"prf", clientPRF},
		{"extensions that nobody knows", clientUnknownExtensions},
		{"origins that may not", clientOrigins},
		{"options that say nothing", clientNonsense},
	}
}

// TestClient tests whole ceremonies, in the JSON that relying parties send and get,
// with the clients that open makes of software keys. The rows that the backend departs
// from are listed by it with their reasons; one that departs in another way, or does
// not any more, fails as well.
func TestClient(t *testing.T, open OpenClient, departures ...Departure) {
	departs := map[string]Departure{}
	for _, d := range departures {
		departs[d.Row] = d
	}
	for _, row := range rows() {
		d, departed := departs[row.name]
		delete(departs, row.name)
		t.Run(row.name, func(t *testing.T) {
			failure := try(t, func(r *trial) { row.run(r, &clientBench{open: open}) })
			switch {
			case !departed:
				check(t, failure == "", "%s", failure)
			case failure == "":
				t.Fatalf("this row is not departed from any more (%s)", d.Reason)
			default:
				check(t, strings.Contains(failure, d.Says), "departs in another way than the stated %q: %s", d.Says, failure)
				t.Logf("departs: %s (%s)", failure, d.Reason)
			}
		})
	}
	for name := range departs {
		t.Errorf("there is no row %q to depart from", name)
	}
}

// trial is a testing.TB that notes a failure instead of failing the test.
type trial struct {
	testing.TB
	failure string
}

// try runs a row to its end or its first failure, which it returns.
func try(t testing.TB, run func(*trial)) string {
	r := &trial{TB: t}
	over := make(chan struct{})
	go func() {
		defer close(over)
		run(r)
	}()
	<-over
	return r.failure
}

// Fatalf implements testing.TB.
func (r *trial) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Fatal implements testing.TB.
func (r *trial) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// clientBench makes clients for one row.
type clientBench struct{ open OpenClient }

// client is a client of one new key.
func (b *clientBench) client(t *trial, who *person, o softkey.Options) (Ceremonies, *softkey.Key) {
	t.Helper()
	key, err := softkey.New(o)
	must(t, err)
	t.Cleanup(func() { key.Close() })
	return b.clientOf(t, who, key), key
}

// clientOf is a client of keys; a nil person is nobody.
func (b *clientBench) clientOf(t *trial, who *person, keys ...authenticator.Transport) Ceremonies {
	t.Helper()
	if who == nil {
		return b.open(t, nil, keys...)
	}
	return b.open(t, who, keys...)
}
