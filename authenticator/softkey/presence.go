package softkey

import "context"

// presence is the key of a context value: what to call when a command begins to wait
// for the person, and when that ends.
type presence struct{}

// withPresence returns a ctx in which waiting is called with true when a command begins
// to wait for the person, and with false when that wait is over.
func withPresence(ctx context.Context, waiting func(bool)) context.Context {
	return context.WithValue(ctx, presence{}, waiting)
}

// announce tells whoever gave the command that it waits for the person. The returned
// function ends that.
func announce(ctx context.Context) (end func()) {
	waiting, given := ctx.Value(presence{}).(func(bool))
	if !given {
		return func() {}
	}
	waiting(true)
	return func() { waiting(false) }
}
