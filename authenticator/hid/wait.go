package hid

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// waitPeriod is how often [Source.Wait] looks. It is short beside the second after which
// a person wonders why nothing happens, and a look costs some microseconds.
const waitPeriod = 200 * time.Millisecond

// Wait returns when the keys are others than at the last call of Devices, or when a key
// that could not be opened then can be opened now. It ends with ctx.
//
// It looks again and again instead of listening to the kernel's events: those come
// before udev has let the user open the node, and do not reach containers.
func (s *Source) Wait(ctx context.Context) error {
	ticker := time.NewTicker(waitPeriod)
	defer ticker.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("hid: waiting for a key: %w", err)
		}
		keys, err := s.list()
		if err != nil {
			return err
		}
		now := look(keys)
		s.mu.Lock()
		changed := !maps.Equal(now, s.seen)
		s.mu.Unlock()
		if changed {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// look returns which keys there are and whether this user may open each.
func look(keys []found) map[string]bool {
	seen := make(map[string]bool, len(keys))
	for _, k := range keys {
		seen[k.identity] = accessible(k.descriptor.Path)
	}
	return seen
}
