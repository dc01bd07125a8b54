package audit

import (
	"iter"
	"strings"
	"time"
)

// Phases of a [Record].
const (
	PhaseEvent  = phaseEvent  // it happened, or was refused
	PhaseIntent = phaseIntent // it was about to happen
	PhaseResult = phaseResult // how the intent that it names ended
)

// Record is a record as it stands in a log.
type Record struct {
	Number uint64 // from 1
	Time   time.Time
	Phase  string // PhaseEvent, PhaseIntent or PhaseResult
	ID     string
	Intent string // ID of the intent, in a result
	Event  Event
	Line   []byte // the bytes that were hashed
}

// readRecord reads a line without its newline. The record keeps the line.
func readRecord(line []byte) (*Record, error) {
	r := &Record{Line: line}
	h, _, err := parseRecord(line, &r.Event)
	if err != nil {
		return &Record{}, err
	}
	r.Number, r.Time, r.Phase, r.ID = h.seq, h.at, h.phase, string(h.id[:])
	if h.phase == phaseResult {
		r.Intent = string(h.intent[:])
	}
	return r, nil
}

// Fields yields what the event holds, under the names and in the order of a
// record: strings, for "amr" a []string, for "sign_count" a uint32, and for what
// is true or absent, true.
func (e *Event) Fields() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if !yield("type", e.Type) {
			return
		}
		for i := range textFields {
			f := &textFields[i]
			if s := *f.of(e); s != "" && !yield(fieldName(f.key), s) {
				return
			}
		}
		for _, f := range [...]struct {
			key   string
			there bool
			value any
		}{
			{verifiedKey, e.UserVerified, true},
			{amrKey, len(e.AMR) > 0, e.AMR},
			{countKey, e.SignCount != 0, e.SignCount},
			{eligibleKey, e.BackupEligible, true},
			{backedUpKey, e.BackupState, true},
		} {
			if f.there && !yield(fieldName(f.key), f.value) {
				return
			}
		}
	}
}

// FieldNames returns the names of all that an event can hold, in the order of a
// record.
func FieldNames() []string {
	all := Event{AMR: []string{""}, UserVerified: true, SignCount: 1, BackupEligible: true, BackupState: true}
	for i := range textFields {
		*textFields[i].of(&all) = "x"
	}
	var names []string
	for name := range all.Fields() {
		names = append(names, name)
	}
	return names
}

// fieldName returns the name in `"name":` and what may follow it.
func fieldName(key string) string {
	name, _, _ := strings.Cut(key[1:], `"`)
	return name
}
