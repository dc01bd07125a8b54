package authenticatortest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// This file holds the rows about the person: PIN, finger, touch, and second thoughts.

const second = time.Second

var verified = set("userVerification", "required")

// withPIN is a client of a key with a PIN and a credential.
func (b *clientBench) withPIN(t *trial, who *person) (Ceremonies, *softkey.Key, *credential) {
	t.Helper()
	c, key := b.client(t, who, softkey.Options{PIN: []byte("123456")})
	return c, key, create(t, c, "alice")
}

func clientAsksPIN(t *trial, b *clientBench) {
	who := typing("123456", "123456")
	c, key := b.client(t, who, softkey.Options{PIN: []byte("123456")})
	made := create(t, c, "alice", set("authenticatorSelection.userVerification", "required"))
	used := get(t, c, made, verified)
	check(t, made.flags&flagUV != 0 && used.flags&flagUV != 0, "flags %02x and %02x", made.flags, used.flags)
	check(t, len(who.asked) == 2 && key.Touches() == 2, "asked %d times, touched %d times", len(who.asked), key.Touches())
	for _, prompt := range who.asked {
		check(t, prompt.RPID == rpID && prompt.Retries == 8 && !prompt.Wrong, "prompt %+v", prompt)
	}
	for i, prompt := range who.touched {
		check(t, prompt.RPID == rpID && prompt.Origin == pageOrigin && prompt.Create == (i == 0), "prompt %+v", prompt)
	}
}

func clientWrongPIN(t *trial, b *clientBench) {
	who := typing("654321", "123456")
	c, key, made := b.withPIN(t, who)
	check(t, get(t, c, made, verified).flags&flagUV != 0, "the user was not verified")
	check(t, len(who.asked) == 2 && !who.asked[0].Wrong && who.asked[1].Wrong && who.asked[1].Retries == 7, "prompts %+v", who.asked)
	check(t, key.Touches() == 2, "%d touches", key.Touches())
}

// refusedPIN demands that a sign-in ends with a wrong PIN.
func refusedPIN(t *trial, c Ceremonies, made *credential) authenticator.PINError {
	t.Helper()
	_, err := c.Get(background(t), pageOrigin, getOptions(t, []raw{made.id}, verified))
	var refused *authenticator.PINError
	check(t, errors.As(err, &refused), "error %v, want a PINError", err)
	check(t, errors.Is(err, refused.Status), "error %v is not its status", err)
	return *refused
}

func clientStubbornPIN(t *trial, b *clientBench) {
	who := typing("654321", "654321")
	c, key, made := b.withPIN(t, who)
	refused := refusedPIN(t, c, made)
	check(t, refused == authenticator.PINError{Retries: 7, Status: 0x31}, "error %+v", refused)
	who.types("123456")
	get(t, c, made, verified)
	check(t, who.asked[2].Retries == 7, "prompt %+v: the same PIN was sent twice", who.asked[2])
	check(t, key.Touches() == 2, "%d touches", key.Touches())
}

func clientBlockedPIN(t *trial, b *clientBench) {
	who := typing("000001", "000002", "000003")
	c, key, made := b.withPIN(t, who)
	refused := refusedPIN(t, c, made)
	want := authenticator.PINError{Retries: 5, PowerCycleNeeded: true, Status: 0x34}
	check(t, refused == want && len(who.asked) == 3, "error %+v after %d questions", refused, len(who.asked))
	who.types("123456")
	refused = refusedPIN(t, c, made)
	check(t, refused.PowerCycleNeeded, "error %+v", refused)
	check(t, len(who.asked) == 3, "asked for a PIN that the key does not take: %d questions", len(who.asked))
	must(t, key.PowerCycle())
	get(t, c, made, verified)
}

// clientEightPINs: "if the retries counter is 0, return CTAP2_ERR_PIN_BLOCKED" (CTAP 2.1
// §6.5.5.7.2), and only a reset helps.
func clientEightPINs(t *trial, b *clientBench) {
	who := typing("000001", "000002", "000003")
	c, key, made := b.withPIN(t, who)
	for _, retries := range []int{5, 2} {
		refused := refusedPIN(t, c, made)
		check(t, refused == authenticator.PINError{Retries: retries, PowerCycleNeeded: true, Status: 0x34}, "error %+v", refused)
		must(t, key.PowerCycle())
		who.types("000004", "000005", "000006")
	}
	// The last try is the person's own decision: nobody is led into it by a prompt.
	refused := refusedPIN(t, c, made)
	check(t, refused == authenticator.PINError{Retries: 1, Status: 0x31}, "error %+v", refused)
	refused = refusedPIN(t, c, made)
	check(t, refused == authenticator.PINError{Status: 0x32}, "error %+v", refused)
	who.types("123456")
	refused = refusedPIN(t, c, made)
	check(t, refused == authenticator.PINError{Status: 0x32}, "the right PIN: error %+v", refused)
}

// clientFullKey: the key says that it is full, and goes on serving what it has.
func clientFullKey(t *trial, b *clientBench) {
	c, _ := b.client(t, typing(), softkey.Options{})
	resident := set("authenticatorSelection.residentKey", "required")
	first := create(t, c, "user0", resident)
	var err error
	var text []byte
	for n := 1; err == nil && n < 1000; n++ {
		text, err = c.Create(background(t), pageOrigin, createOptions(t, fmt.Sprintf("user%d", n), resident))
	}
	check(t, text == nil, "a response beside an error")
	var status authenticator.Status
	check(t, errors.As(err, &status) && status == 0x28, "error %v, want CTAP2_ERR_KEY_STORE_FULL", err)
	get(t, c, first)
}

func clientPINless(t *trial, b *clientBench) {
	c, key, made := b.withPIN(t, nil)
	_, err := c.Get(background(t), pageOrigin, getOptions(t, []raw{made.id}, verified))
	isError(t, err, authenticator.ErrPINRequired)
	ineligible(t, err, authenticator.ErrPINRequired)
	check(t, key.Touches() == 1, "%d touches for nothing", key.Touches()-1)
}

func clientMutePerson(t *trial, b *clientBench) {
	who := typing()
	c, key, made := b.withPIN(t, who)
	_, err := c.Get(background(t), pageOrigin, getOptions(t, []raw{made.id}, verified))
	check(t, err != nil && key.Touches() == 1 && len(who.asked) == 1, "error %v, %d touches, %d questions", err, key.Touches(), len(who.asked))
	isError(t, err, errMute)
}

func clientDiscouraged(t *trial, b *clientBench) {
	who := typing()
	c, _, made := b.withPIN(t, who)
	check(t, made.flags&flagUV == 0 && get(t, c, made).flags&flagUV == 0, "the user was verified")
	check(t, len(who.asked) == 0, "asked for the PIN")
}

func clientPreferred(t *trial, b *clientBench) {
	preferred := set("userVerification", "preferred")
	who := typing("123456")
	c, _, made := b.withPIN(t, who)
	check(t, get(t, c, made, preferred).flags&flagUV != 0 && len(who.asked) == 1, "not verified, though there is a PIN")
	c, _ = b.client(t, who, softkey.Options{})
	made = create(t, c, "alice", set("authenticatorSelection.userVerification", "preferred"))
	check(t, get(t, c, made, preferred).flags&flagUV == 0 && len(who.asked) == 1, "asked for a PIN that is not there")
}

func clientRequired(t *trial, b *clientBench) {
	who := typing()
	c, key := b.client(t, who, softkey.Options{})
	_, err := c.Create(background(t), pageOrigin, createOptions(t, "alice", set("authenticatorSelection.userVerification", "required")))
	ineligible(t, err, authenticator.ErrPINNotSet)
	_, err = c.Get(background(t), pageOrigin, getOptions(t, nil, verified))
	ineligible(t, err, authenticator.ErrPINNotSet)
	check(t, key.Touches() == 0 && len(who.asked) == 0, "woken for nothing")
}

// reader is a key with a sensor that knows a finger or not.
func (b *clientBench) reader(t *trial, who *person, knows bool) (Ceremonies, *credential) {
	t.Helper()
	c, _ := b.client(t, who, softkey.Options{PIN: []byte("123456"), Fingers: []string{"thumb"}, Verify: func(ctx context.Context) error {
		if !knows {
			return errors.New("another finger")
		}
		return ctx.Err()
	}})
	return c, create(t, c, "alice")
}

func clientFinger(t *trial, b *clientBench) {
	who := typing()
	c, made := b.reader(t, who, true)
	check(t, get(t, c, made, verified).flags&flagUV != 0, "the user was not verified")
	check(t, len(who.asked) == 0 && len(who.fingers) == 1, "asked for %d PINs and %d fingers", len(who.asked), len(who.fingers))
}

func clientStrangeFinger(t *trial, b *clientBench) {
	who := typing("123456")
	c, made := b.reader(t, who, false)
	check(t, get(t, c, made, verified).flags&flagUV != 0, "the user was not verified")
	check(t, len(who.asked) == 1 && len(who.fingers) == 3 && who.fingers[2].Again, "asked for %d PINs and %d fingers", len(who.asked), len(who.fingers))
}

// ended demands that a sign-in that was given up ended in time and in a way, and that
// the next one works with one touch.
func ended(t *trial, c Ceremonies, made *credential, touch *finger, ctx context.Context, want error) {
	t.Helper()
	returned := make(chan error, 1)
	text := getOptions(t, []raw{made.id})
	go func() {
		_, err := c.Get(ctx, pageOrigin, text)
		returned <- err
	}()
	<-ctx.Done()
	given := time.Now()
	select {
	case err := <-returned:
		isError(t, err, want)
		t.Logf("%v after %v", want, time.Since(given).Round(time.Millisecond))
	case <-time.After(patience):
		t.Fatalf("still waiting")
	}
	touch.onWait(func() { touch.press(1) })
	get(t, c, made)
}

func clientCancelled(t *trial, b *clientBench) {
	touch := newFinger()
	c, key := b.client(t, typing(), softkey.Options{Touch: touch.wait})
	touch.press(1)
	made := create(t, c, "alice")
	for range 3 {
		ctx, cancel := context.WithCancel(background(t))
		touch.onWait(cancel)
		ended(t, c, made, touch, ctx, context.Canceled)
	}
	check(t, key.Touches() == 4, "%d touches", key.Touches())
}

func clientLate(t *trial, b *clientBench) {
	touch := newFinger()
	c, key := b.client(t, typing(), softkey.Options{Touch: touch.wait})
	touch.press(1)
	made := create(t, c, "alice")
	ctx, cancel := context.WithTimeout(background(t), second/2)
	defer cancel()
	ended(t, c, made, touch, ctx, context.DeadlineExceeded)
	check(t, key.Touches() == 2, "%d touches", key.Touches())
}

func clientCancelledPIN(t *trial, b *clientBench) {
	who := typing()
	c, key, made := b.withPIN(t, who)
	ctx, cancel := context.WithCancel(background(t))
	who.onPIN = func(asking context.Context) error {
		cancel()
		<-asking.Done()
		return asking.Err()
	}
	_, err := c.Get(ctx, pageOrigin, getOptions(t, []raw{made.id}, verified))
	isError(t, err, context.Canceled)
	who.mu.Lock() // a UI elsewhere may be told a moment later
	who.onPIN = nil
	who.mu.Unlock()
	who.types("123456")
	get(t, c, made, verified)
	check(t, len(who.asked) == 2 && who.asked[1].Retries == 8 && !who.asked[1].Wrong, "prompts %+v", who.asked)
	check(t, key.Touches() == 2, "%d touches", key.Touches())
}

func clientDone(t *trial, b *clientBench) {
	who := typing()
	c, key := b.client(t, who, softkey.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.Create(ctx, pageOrigin, createOptions(t, "alice"))
	isError(t, err, context.Canceled)
	_, err = c.Get(ctx, pageOrigin, getOptions(t, nil))
	isError(t, err, context.Canceled)
	check(t, key.Touches() == 0 && len(who.touched) == 0, "the key was woken")
}

func clientRefused(t *trial, b *clientBench) {
	var refuse atomic.Bool
	c, _ := b.client(t, typing(), softkey.Options{Touch: func(ctx context.Context) error {
		if refuse.Load() {
			return errors.New("no")
		}
		return ctx.Err()
	}})
	made := create(t, c, "alice")
	refuse.Store(true)
	_, err := c.Get(background(t), pageOrigin, getOptions(t, []raw{made.id}))
	isError(t, err, authenticator.Status(0x27)) // OPERATION_DENIED
	check(t, !errors.Is(err, context.Canceled), "a refusal is taken for a cancellation: %v", err)
	refuse.Store(false)
	get(t, c, made)
}

func clientQueues(t *trial, b *clientBench) {
	touch := newFinger()
	c, key := b.client(t, typing(), softkey.Options{Touch: touch.wait})
	touch.press(1)
	made := create(t, c, "alice")
	blinks := make(chan struct{}, 100)
	touch.onWait(func() { blinks <- struct{}{} })
	type answer struct {
		text []byte
		err  error
	}
	first := make(chan answer, 1)
	ctx, text := background(t), getOptions(t, []raw{made.id})
	go func() {
		text, err := c.Get(ctx, pageOrigin, text)
		first <- answer{text, err}
	}()
	<-blinks
	waiting, cancel := context.WithTimeout(ctx, 2*second)
	defer cancel()
	_, second := c.Get(waiting, pageOrigin, text)
	touch.press(1)
	a := <-first
	must(t, a.err)
	proven(t, a.text, made)
	check(t, key.Touches() == 2, "%d touches", key.Touches())
	isError(t, second, context.DeadlineExceeded)
}
