package audit

import (
	"fmt"
	"time"
)

// Delivery says what [Log.Append] promises about an event.
type Delivery uint8

// The deliveries.
const (
	// Enforced: the record is durable when Append returns nil; otherwise Append
	// fails, and what needed the record must not happen.
	Enforced Delivery = iota

	// BestEffort: Append does not wait, and returns nil (but for an event that
	// no log could hold). The record takes its place
	// in the chain with the next group that is written. If too much waits already,
	// or the log cannot be written, the record is lost. Losses are counted
	// ([Log.Lost]), and when there is room again an event of type "audit.lost" says
	// how many there were and since when.
	BestEffort
)

// String returns "enforced" or "best-effort".
func (d Delivery) String() string {
	if d == BestEffort {
		return "best-effort"
	}
	return "enforced"
}

// delivery returns what is promised about events of the type.
func (l *Log) delivery(typ string) Delivery {
	if d, ok := l.deliveries[typ]; ok {
		return d
	}
	return catalogue[typ].Delivery // of an unknown type, the zero value: enforced
}

// losses counts what best effort could not deliver, until it is recorded.
type losses struct {
	total      uint64 // since the log was opened
	unrecorded uint64
	first      time.Time
}

func (s *losses) add(n uint64, at time.Time) {
	if s.unrecorded == 0 {
		s.first = at
	}
	s.total += n
	s.unrecorded += n
}

// event returns what is to be recorded about the losses so far, and forgets them.
func (s *losses) event(what string) Event {
	e := Event{
		Type: typeLost, Outcome: Failed,
		Reason: fmt.Sprintf("%d records %s since %s", s.unrecorded, what, s.first.UTC().Format(time.RFC3339Nano)),
	}
	s.unrecorded = 0
	return e
}

// Lost counts the records that were lost since the log was opened because
// their delivery is best effort. It does not count what a [Options.Mirror] missed.
func (l *Log) Lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost.total
}

// tryAppend queues e if there is room, and counts it as lost if there is not. It
// fails for an event that can never be recorded.
func (l *Log) tryAppend(e Event) error {
	event, err := encode(&e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.unlockAndCommit()
	if l.closed || l.failed != nil || l.full() {
		l.lost.add(1, l.now())
		return nil
	}
	l.recordLosses()
	return l.queue(&entry{phase: phaseEvent, id: newRecordID(), event: event})
}

// recordLosses queues the event about what was lost, if something was and there
// is room. l.mu is held.
func (l *Log) recordLosses() {
	if l.lost.unrecorded == 0 || l.closed || l.failed != nil || l.full() {
		return
	}
	was := l.lost
	e := l.lost.event("of best-effort delivery were lost")
	event, err := encode(&e)
	if err == nil {
		err = l.queue(&entry{phase: phaseEvent, id: newRecordID(), event: event})
	}
	if err != nil {
		l.lost = was
	}
}
