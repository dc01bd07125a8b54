// Package refresh keeps one value that expires, and renews it: a token, most of
// the time. Any number of callers share one flight to the source.
//
// Start with [New]; [Cache.Value] is the verb.
//
// # Guarantees
//
//   - One flight: however many callers miss at the same moment, the source is
//     called once.
//   - A flight belongs to no caller. It runs under its own deadline
//     ([Options.Timeout]) and goes on when the caller that started it gives up;
//     each caller waits under its own context and leaves at once when that ends.
//     A Source therefore must never do what needs a person, such as waking a
//     security key: nobody may be there.
//   - A failed source is left alone: until [Options.Backoff] has passed, every
//     caller gets the last error without a call.
//   - Values are renewed ahead of their end in the background, but only when
//     someone asks: an idle cache makes no calls.
//   - A value is not handed out within [Options.Skew] of its end, so that it is
//     still good when it arrives.
//   - A consumer that always refuses the value (an API answering 401 for reasons
//     of its own) cannot drive the source: [Cache.Invalidate] takes effect at
//     most once per [Options.Settle].
//
// # The clock
//
// Expiry is a date, so the wall clock decides it. The monotonic clock alone
// would not do: on Linux it stands still while the machine sleeps, and a laptop
// that was closed over lunch would hand out this morning's token. Reading both,
// as time.Now does, costs about twice as much as reading one (on a virtual
// machine 47 ns against 25 ns) and is most of what a cached token costs. A Cache
// reads the monotonic clock and sets it by the wall clock once a second, which
// bounds the error after a sleep, or after the clock was corrected, to one second
// of running time: far less than any skew.
//
// # Concurrency
//
// A Cache is safe for concurrent use. A hit takes no lock and allocates nothing.
package refresh
