package hid

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// watchPeriod is how often [Source.Watch] looks. It is short beside the second that a
// person needs to notice that nothing happens, and a look costs some microseconds.
const watchPeriod = 200 * time.Millisecond

// Watch tells when keys come and go: the channel receives a value after a change, one
// for several changes that nobody took note of, and is closed when ctx is done. A
// change after Watch returned is never missed, so call Watch first and Devices then.
//
// It looks again and again instead of listening to the kernel's events: those come
// before udev has let the user open the node, and do not reach containers.
func (s *Source) Watch(ctx context.Context) (<-chan struct{}, error) {
	return s.watch(ctx, watchPeriod)
}

func (s *Source) watch(ctx context.Context, period time.Duration) (<-chan struct{}, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("hid: watching for keys: %w", err)
	}
	last, err := s.look()
	if err != nil {
		return nil, err
	}
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			now, err := s.look()
			if err != nil || maps.Equal(now, last) {
				continue
			}
			last = now
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	return changes, nil
}

// look returns which keys there are and whether each can be opened.
func (s *Source) look() (map[string]bool, error) {
	keys, err := s.list()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(keys))
	for _, k := range keys {
		seen[k.identity] = accessible(k.descriptor.Path)
	}
	return seen, nil
}
