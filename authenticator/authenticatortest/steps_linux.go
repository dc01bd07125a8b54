package authenticatortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// stepKeys are keys whose ceremonies consist of different commands.
var stepKeys = map[string]softkey.Options{
	"presence": {},
	"PIN":      {PIN: []byte(stepPIN)},
	"sensor":   {PIN: []byte(stepPIN), Fingers: []string{"thumb"}, Verify: func(ctx context.Context) error { return ctx.Err() }},
}

const stepPIN = "1234"

// lanes is how many loops share the steps of a ceremony: most of a step is waiting.
const lanes = 4

// everyStep runs a whole registration and a whole sign-in once for every frame that they
// exchange. do gets a ceremony that is ready to run, and its number of frames before
// something happens; it reports whether that many frames were exchanged.
func everyStep(t *testing.T, do func(t *testing.T, o softkey.Options, create bool, n int64) (reached bool)) {
	for name, o := range stepKeys {
		for ceremony, create := range map[string]bool{"create": true, "get": false} {
			for lane := range int64(lanes) {
				t.Run(fmt.Sprintf("%s, %s, %d", name, ceremony, lane), func(t *testing.T) {
					t.Parallel()
					n := lane
					for do(t, o, create, n) {
						n += lanes
					}
					check(t, n > 2*lanes, "only %d frames", n)
				})
			}
		}
	}
}

// rehearse plugs a key in behind a trigger, registers where the ceremony is a sign-in,
// and returns the ceremony.
func rehearse(t *testing.T, b *faultBench, o softkey.Options, create bool, make func(*Port) *atFrame) (d authenticator.Device, trigger *atFrame, run func(context.Context) error) {
	t.Helper()
	port := plugThrough(t, newKey(t, o), func(p *Port) filter {
		trigger = make(p)
		return trigger.filter
	})
	d = b.open(t, port.Path)
	verification := "required"
	if len(o.PIN) == 0 {
		verification = "discouraged"
	}
	// Each run has a person of its own, who has not typed anything yet.
	client := func() *authenticator.Client {
		return authenticator.NewClient(authenticator.Devices(d), authenticator.Options{UI: typing(stepPIN)})
	}
	creation := createOptions(t, "alice", set("authenticatorSelection.userVerification", verification))
	run = func(ctx context.Context) error {
		_, err := client().Create(ctx, pageOrigin, creation)
		return err
	}
	if !create {
		text, err := client().Create(background(t), pageOrigin, creation)
		must(t, err)
		request := getOptions(t, []raw{registered(t, text).id}, set("userVerification", verification))
		run = func(ctx context.Context) error {
			_, err := client().Get(ctx, pageOrigin, request)
			return err
		}
	}
	trigger.arm()
	return d, trigger, run
}

// unpluggedAtEveryStep: the frame that would come next is lost with the key.
func unpluggedAtEveryStep(t *testing.T, b *faultBench) {
	everyStep(t, func(t *testing.T, o softkey.Options, create bool, n int64) bool {
		d, trigger, run := rehearse(t, b, o, create, func(p *Port) *atFrame {
			return &atFrame{n: n, do: func() bool { p.Unplug(); return false }}
		})
		err := bounded(t, func() error { return run(background(t)) })
		if !trigger.reached() {
			must(t, err)
			return false
		}
		check(t, errors.Is(err, b.Removed), "frame %d: error %v, want %v", n, err, b.Removed)
		_, err = d.Info(background(t))
		isError(t, err, b.Removed)
		must(t, d.Close())
		return true
	})
}

// promptly is how soon a call returns after its ctx is done, on a machine that has
// nothing else to do. What is compared with it is the median of many.
const promptly = 150 * time.Millisecond

// cancelledAtEveryStep: wherever the ceremony was, it ends, and the key can be used.
func cancelledAtEveryStep(t *testing.T, b *faultBench) {
	everyLatency := make(chan time.Duration, 10000)
	t.Run("ends", func(t *testing.T) {
		everyStep(t, func(t *testing.T, o softkey.Options, create bool, n int64) bool {
			ctx, cancel := context.WithCancel(background(t))
			defer cancel()
			var cancelled time.Time
			d, trigger, run := rehearse(t, b, o, create, func(*Port) *atFrame {
				return &atFrame{n: n, do: func() bool { cancelled = time.Now(); cancel(); return true }}
			})
			err := bounded(t, func() error { return run(ctx) })
			if !trigger.reached() {
				must(t, err)
				return false
			}
			// A ceremony whose last frame is on its way may still succeed.
			if err != nil {
				isError(t, err, context.Canceled)
				everyLatency <- time.Since(cancelled)
			}
			again := bounded(t, func() error { return run(background(t)) })
			check(t, again == nil, "frame %d: after a cancellation: %v", n, again)
			must(t, d.Close())
			return true
		})
	})
	close(everyLatency)
	var latencies []time.Duration
	for l := range everyLatency {
		latencies = append(latencies, l)
	}
	slices.Sort(latencies)
	check(t, len(latencies) > 0, "nothing was cancelled")
	median := latencies[len(latencies)/2]
	t.Logf("%d cancellations, median %v, longest %v", len(latencies), median.Round(time.Microsecond), latencies[len(latencies)-1].Round(time.Millisecond))
	check(t, median < promptly, "half of all calls took longer than %v to end", median)
}
