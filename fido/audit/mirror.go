package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// mirror hands records that are durable to a slog.Handler, in order and in the
// background. What waits for it is bounded as what waits for a disk is.
type mirror struct {
	log     *Log
	handler slog.Handler

	mu      sync.Mutex
	queue   [][]byte // lines
	bytes   int
	busy    chan struct{} // closed when the goroutine at work is done; nil: there is none
	missed  losses
	stopped bool
}

// offer queues lines that nobody will change.
func (m *mirror) offer(lines []byte) {
	if m == nil || len(lines) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped || m.bytes > maxPending {
		m.missed.add(uint64(bytes.Count(lines, []byte("\n"))), m.log.now())
		return
	}
	m.queue = append(m.queue, lines)
	m.bytes += len(lines)
	if m.busy == nil {
		m.busy = make(chan struct{})
		go m.work()
	}
}

func (m *mirror) work() {
	for {
		m.mu.Lock()
		if len(m.queue) == 0 {
			close(m.busy)
			m.busy = nil
			m.mu.Unlock()
			return
		}
		lines := m.queue[0]
		m.queue = m.queue[1:]
		m.bytes -= len(lines)
		m.mu.Unlock()
		for line := range bytes.Lines(lines) {
			m.hand(bytes.TrimSuffix(line, []byte("\n")))
		}
	}
}

// hand gives one record to the handler. A handler that fails is told nothing of
// that: the event about it waits for the first record that it takes again.
func (m *mirror) hand(line []byte) {
	r, err := readRecord(line)
	if err == nil {
		if s := r.slog(); m.handler.Enabled(context.Background(), s.Level) {
			err = m.handler.Handle(context.Background(), s)
		}
	}
	m.mu.Lock()
	if err != nil {
		m.missed.add(1, r.Time)
	}
	tell := err == nil && m.missed.unrecorded > 0 && !m.stopped
	var e Event
	if tell {
		e = m.missed.event("did not reach the mirror")
	}
	m.mu.Unlock()
	if tell {
		_ = m.log.tryAppend(e)
	}
}

// close waits for what is under way. Records that wait behind it were offered
// before the log was closed, and are handed over too.
func (m *mirror) close() {
	m.mu.Lock()
	m.stopped = true
	busy := m.busy
	m.mu.Unlock()
	if busy != nil {
		<-busy
	}
}

// slog returns the record in the form of package slog: its number and hash tie it
// to the log, which is the evidence.
func (r *Record) slog() slog.Record {
	level := slog.LevelInfo
	switch r.Event.Outcome {
	case Denied:
		level = slog.LevelWarn
	case Failed:
		level = slog.LevelError
	}
	hash := tlog.RecordHash(r.Line)
	s := slog.NewRecord(r.Time, level, r.Event.Type, 0)
	s.AddAttrs(
		slog.Uint64("record", r.Number),
		slog.String("hash", base64.StdEncoding.EncodeToString(hash[:])),
		slog.String("phase", r.Phase),
		slog.String("id", r.ID),
	)
	if r.Intent != "" {
		s.AddAttrs(slog.String("intent", r.Intent))
	}
	for name, value := range r.Event.Fields() {
		if name != "type" {
			s.AddAttrs(slog.Any(name, value))
		}
	}
	return s
}
