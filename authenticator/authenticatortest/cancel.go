package authenticatortest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// finger touches a key when it is told to.
type finger struct {
	presses chan struct{}
	mu      sync.Mutex
	waiting func()
}

func newFinger() *finger { return &finger{presses: make(chan struct{}, 1000)} }

func (f *finger) press(n int) {
	for range n {
		f.presses <- struct{}{}
	}
}

// onWait sets what happens when the key begins to blink.
func (f *finger) onWait(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = do
}

// wait is the Touch of a software key.
func (f *finger) wait(ctx context.Context) error {
	f.mu.Lock()
	do := f.waiting
	f.mu.Unlock()
	if do != nil {
		do()
	}
	select {
	case <-f.presses:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// operations are all that wait for a touch.
func operations(made *authenticator.MakeCredentialResult) map[string]func(context.Context, authenticator.Device) error {
	return map[string]func(context.Context, authenticator.Device) error{
		"make credential": func(ctx context.Context, d authenticator.Device) error {
			_, err := d.MakeCredential(ctx, creation("bob"))
			return err
		},
		"get assertion": func(ctx context.Context, d authenticator.Device) error {
			_, err := d.GetAssertion(ctx, assertion(made.CredentialID))
			return err
		},
		"select": func(ctx context.Context, d authenticator.Device) error { return d.Select(ctx) },
	}
}

func selects(t *testing.T, b *bench) {
	for _, o := range []softkey.Options{{}, {PIN: []byte("1234")}} {
		d, key := b.device(t, o)
		must(t, d.Select(background(t)))
		check(t, key.Touches() == 1, "%d touches", key.Touches())
	}
}

func refusal(t *testing.T, b *bench) {
	var refuse atomic.Bool
	d, _ := b.device(t, softkey.Options{Touch: func(ctx context.Context) error {
		if refuse.Load() {
			return errors.New("no")
		}
		return ctx.Err()
	}})
	made := register(t, d, creation("alice"))
	refuse.Store(true)
	for name, run := range operations(made) {
		err := run(background(t), d)
		check(t, err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded), "%s: error %v", name, err)
		s, ok := asStatus(err)
		if name == "select" && b.limits.MuteSelect {
			check(t, !ok, "MuteSelect is no limit any more: %v", err)
			continue
		}
		check(t, ok && s == 0x27, "%s: error %v, want OPERATION_DENIED", name, err)
	}
	refuse.Store(false)
	signIn(t, d, made, assertion(made.CredentialID))
}

func cancelled(t *testing.T, b *bench) {
	touch := newFinger()
	d, key := b.device(t, softkey.Options{Touch: touch.wait})
	touch.press(1)
	made := register(t, d, creation("alice"))
	for name, run := range operations(made) {
		for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
			ctx, cancel := context.WithCancelCause(background(t))
			blinks := make(chan struct{}, 100)
			touch.onWait(func() { blinks <- struct{}{} })
			returned := make(chan error, 1)
			if errors.Is(end, context.DeadlineExceeded) {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, 700*time.Millisecond)
				defer stop()
			}
			go func() { returned <- run(ctx, d) }()
			if errors.Is(end, context.Canceled) {
				<-blinks
				cancel(nil)
			}
			asked := time.Now()
			select {
			case err := <-returned:
				isError(t, err, end)
				t.Logf("%s: %v after %v", name, end, time.Since(asked).Round(time.Millisecond))
			case <-time.After(patience):
				t.Fatalf("%s: still waiting", name)
			}
			cancel(nil)
			touch.onWait(nil)
			idle(t, d)
			touches := key.Touches()
			touch.press(1)
			signIn(t, d, made, assertion(made.CredentialID)) // the key is usable at once
			check(t, key.Touches() == touches+1, "%s: %d touches for one sign-in", name, key.Touches()-touches)
		}
	}
}

// cancelledAtAnyMoment cancels before, while and after the key is opened, asked and
// blinking: no cancellation may be lost, and none may hit the next operation.
func cancelledAtAnyMoment(t *testing.T, b *bench) {
	touch := newFinger()
	d, _ := b.device(t, softkey.Options{Touch: touch.wait})
	touch.press(1)
	made := register(t, d, creation("alice"))
	for name, run := range operations(made) {
		for i := range 25 {
			ctx, cancel := context.WithCancel(background(t))
			go func() {
				time.Sleep(time.Duration(i*i) * 20 * time.Microsecond) // up to 11.5 ms, most of them early
				cancel()
			}()
			err := run(ctx, d)
			check(t, errors.Is(err, context.Canceled), "%s, %d: error %v", name, i, err)
		}
		idle(t, d)
		touch.press(1)
		signIn(t, d, made, assertion(made.CredentialID))
	}
}

// idle waits until a key that was cancelled does not wait for a touch any more, as the
// next call has to.
func idle(t testing.TB, d authenticator.Device) {
	t.Helper()
	_, err := d.Info(background(t))
	must(t, err)
}

func done(t *testing.T, b *bench) {
	d, key := b.device(t, softkey.Options{})
	made := register(t, d, creation("alice"))
	ctx, cancel := context.WithCancel(background(t))
	cancel()
	for name, run := range operations(made) {
		err := run(ctx, d)
		check(t, errors.Is(err, context.Canceled), "%s: error %v", name, err)
	}
	_, err := d.Info(ctx)
	isError(t, err, context.Canceled)
	_, err = d.PINRetries(ctx)
	isError(t, err, context.Canceled)
	check(t, key.Touches() == 1, "%d touches", key.Touches())
}

func nonsense(t *testing.T, b *bench) {
	d, key := b.device(t, softkey.Options{PIN: []byte("1234")})
	ctx := background(t)
	for name, change := range map[string]func(*authenticator.MakeCredentialRequest){
		"no hash":       func(r *authenticator.MakeCredentialRequest) { r.ClientDataHash = nil },
		"a short hash":  func(r *authenticator.MakeCredentialRequest) { r.ClientDataHash = []byte{1} },
		"no RP ID":      func(r *authenticator.MakeCredentialRequest) { r.RPID = "" },
		"no user":       func(r *authenticator.MakeCredentialRequest) { r.User.ID = nil },
		"a long user":   func(r *authenticator.MakeCredentialRequest) { r.User.ID = make([]byte, 65) },
		"no algorithm":  func(r *authenticator.MakeCredentialRequest) { r.Algorithms = nil },
		"an empty PIN":  func(r *authenticator.MakeCredentialRequest) { r.PIN = []byte{} },
		"a wrong level": func(r *authenticator.MakeCredentialRequest) { r.CredProtect = 4 },
	} {
		req := creation("alice")
		change(req)
		_, err := d.MakeCredential(ctx, req)
		check(t, err != nil, "%s was taken", name)
	}
	for name, change := range map[string]func(*authenticator.GetAssertionRequest){
		"no hash":      func(r *authenticator.GetAssertionRequest) { r.ClientDataHash = nil },
		"no RP ID":     func(r *authenticator.GetAssertionRequest) { r.RPID = "" },
		"an empty ID":  func(r *authenticator.GetAssertionRequest) { r.Allow = [][]byte{{}} },
		"an empty PIN": func(r *authenticator.GetAssertionRequest) { r.PIN = []byte{} },
	} {
		req := assertion(hash("stranger"))
		change(req)
		_, err := d.GetAssertion(ctx, req)
		check(t, err != nil, "%s was taken", name)
	}
	check(t, key.Touches() == 0, "%d touches", key.Touches())
	req := creation("alice")
	req.User.Name, req.User.DisplayName, req.RPName = "", "", ""
	req.Exclude = [][]byte{{}, nil}
	_, err := d.MakeCredential(ctx, req)
	check(t, err == nil || key.Touches() == 0, "refused after a touch: %v", err)
	nameless := creation("alice")
	nameless.User.Name, nameless.User.DisplayName, nameless.RPName = "", "", ""
	register(t, d, nameless)
}

func concurrent(t *testing.T, b *bench) {
	d, key := b.device(t, softkey.Options{})
	made := register(t, d, creation("alice"))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				found, err := d.GetAssertion(background(t), assertion(made.CredentialID))
				if err != nil || len(found) != 1 {
					t.Errorf("%d assertions, error %v", len(found), err)
				}
			}
		})
	}
	group.Wait()
	check(t, key.Touches() == 41, "%d touches, want 41", key.Touches())
}

func closed(t *testing.T, b *bench) {
	d, key := b.device(t, softkey.Options{})
	must(t, d.Close())
	must(t, d.Close())
	_, err := d.Info(background(t))
	check(t, err != nil, "a closed key says what it can do")
	_, err = d.MakeCredential(background(t), creation("alice"))
	check(t, err != nil, "a closed key makes credentials")
	check(t, d.Select(background(t)) != nil && key.Touches() == 0, "a closed key is touched")
}
