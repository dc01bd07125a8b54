package web

import (
	"container/list"
	"crypto/sha256"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/secure/precis"
	"golang.org/x/time/rate"
)

// Limits bounds how often strangers get work done. Each pair is a number of
// requests per minute in the long run and at once; 0 means the value in brackets.
type Limits struct {
	// By the network address that requests come from, an IPv6 network of 64 bits
	// counting as one address [300, 100]. A company behind one address shares it.
	AddressPerMinute, AddressBurst int
	// By the name that somebody wants to sign in with, from wherever [20, 20].
	AccountPerMinute, AccountBurst int
}

// What one address may still ask for an account whose limit others have reached.
// Otherwise whoever knows a name could keep its owner out.
const (
	sparePerMinute = 4
	spareBurst     = 4
)

// maxBuckets bounds the memory: beyond it those used the longest ago go.
const maxBuckets = 16384

func (l *Limits) check() error {
	for _, v := range []*int{&l.AddressPerMinute, &l.AddressBurst, &l.AccountPerMinute, &l.AccountBurst} {
		if *v < 0 {
			return errors.New("web: a rate limit is negative")
		}
	}
	l.AddressPerMinute, l.AddressBurst = orElse(l.AddressPerMinute, 300), orElse(l.AddressBurst, 100)
	l.AccountPerMinute, l.AccountBurst = orElse(l.AccountPerMinute, 20), orElse(l.AccountBurst, 20)
	return nil
}

// limiter says who has to wait.
type limiter struct {
	addresses, accounts, spare *buckets
	now                        func() time.Time
}

func newLimiter(l Limits, now func() time.Time) *limiter {
	return &limiter{
		addresses: newBuckets(l.AddressPerMinute, l.AddressBurst),
		accounts:  newBuckets(l.AccountPerMinute, l.AccountBurst),
		spare:     newBuckets(sparePerMinute, spareBurst),
		now:       now,
	}
}

// address counts a request from there; it returns how long to wait, 0 meaning
// that the request may go on.
func (l *limiter) address(addr string) time.Duration {
	return l.addresses.take(network(addr), l.now())
}

// account counts a challenge for the account called name. The name need not
// exist: nobody finds out by being limited.
func (l *limiter) account(name, addr string) time.Duration {
	account, now := canonical(name), l.now()
	if l.accounts.take(account, now) == 0 {
		return 0
	}
	return l.spare.take(account+"\x00"+network(addr), now)
}

// canonical folds a name as the relying party does, so that another spelling is
// not another budget.
func canonical(name string) string {
	if key, err := precis.UsernameCaseMapped.String(name); err == nil {
		return key
	}
	return strings.ToLower(name)
}

// network is what counts as one address: a household or a host has 64 bits of
// IPv6 addresses of its own to choose from.
func network(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Is4() {
		return addr
	}
	p, err := a.Prefix(64)
	if err != nil {
		return addr
	}
	return p.String()
}

// buckets are token buckets by name, of which a bounded number is kept.
type buckets struct {
	every rate.Limit
	burst int

	mu     sync.Mutex
	by     map[[32]byte]*list.Element
	recent *list.List // of bucket, the one used last in front
}

type bucket struct {
	key     [32]byte // a hash: names have any length
	limiter *rate.Limiter
}

func newBuckets(perMinute, burst int) *buckets {
	return &buckets{every: rate.Limit(float64(perMinute) / 60), burst: burst, by: map[[32]byte]*list.Element{}, recent: list.New()}
}

// take takes a token from the bucket called name, or returns after how long
// there will be one.
func (b *buckets) take(name string, now time.Time) time.Duration {
	key := sha256.Sum256([]byte(name))
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.by[key]
	if !ok {
		for b.recent.Len() >= maxBuckets {
			oldest := b.recent.Back()
			delete(b.by, oldest.Value.(*bucket).key)
			b.recent.Remove(oldest)
		}
		e = b.recent.PushFront(&bucket{key: key, limiter: rate.NewLimiter(b.every, b.burst)})
		b.by[key] = e
	}
	b.recent.MoveToFront(e)
	r := e.Value.(*bucket).limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now) // who is refused has used nothing up
	}
	return wait
}
