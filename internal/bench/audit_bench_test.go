package bench

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

var auditEvent = audit.Event{
	Type: "token.mint", User: "ada@example.com", SessionID: "s-0123456789abcdef", ClientID: "keyagent",
	CredentialHash: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
	AAGUID:         "fa2b99dc-9e39-4257-8f92-4a30d23c4118", Attestation: "rooted", UserVerified: true,
	RemoteAddr: "203.0.113.7", Host: "ws.example.com", Scope: "clusters:read jobs:read", AMR: []string{"hwk", "user", "mfa"},
}

func newAuditLog(b *testing.B) *audit.Log {
	b.Helper()
	signer, _, _, err := audit.NewSigner("bench.example.com/audit")
	if err != nil {
		b.Fatal(err)
	}
	l, err := audit.OpenFile(filepath.Join(b.TempDir(), "log"), signer, audit.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// writeFloor is the time that one write and fsync of a record's bytes takes
// here and now.
func writeFloor(b *testing.B, rounds int) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	record := append(bytes.Repeat([]byte("x"), 600), '\n')
	start := time.Now()
	for range rounds {
		if _, err := f.Write(record); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start) / time.Duration(rounds)
}

// One writer: each record has an fsync of its own. The floor is a bare write
// and fsync, measured before and after in the same run.
func BenchmarkAuditAppendAlone(b *testing.B) {
	floor := writeFloor(b, 300)
	l := newAuditLog(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(context.Background(), auditEvent); err != nil {
			b.Fatal(err)
		}
	}
	each := b.Elapsed() / time.Duration(b.N)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	floor = (floor + writeFloor(b, 300)) / 2
	b.ReportMetric(float64(each)/float64(floor), "x-floor")
}

// 64 writers share fsyncs.
func BenchmarkAuditAppend64(b *testing.B) { benchmarkAppend(b, 64) }

// 1,024 writers do: what a burst of sign-ins amounts to.
func BenchmarkAuditAppend1024(b *testing.B) { benchmarkAppend(b, 1024) }

func benchmarkAppend(b *testing.B, writers int) {
	floor := writeFloor(b, 300)
	l := newAuditLog(b)
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := l.Append(context.Background(), auditEvent); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	each := b.Elapsed() / time.Duration(b.N)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	floor = (floor + writeFloor(b, 300)) / 2
	b.ReportMetric(float64(each)/float64(floor), "x-floor")
	b.ReportMetric(float64(time.Second)/float64(each), "records/s")
}

// One core reads a log of 20,000 records from memory.
func BenchmarkAuditVerify(b *testing.B) {
	signer, _, _, err := audit.NewSigner("bench.example.com/audit")
	if err != nil {
		b.Fatal(err)
	}
	l := audit.NewMemory(signer, audit.Options{})
	const records = 20_000
	for range records {
		if err := l.Append(context.Background(), auditEvent); err != nil {
			b.Fatal(err)
		}
	}
	var log bytes.Buffer
	if _, err := l.WriteTo(&log); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(log.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := audit.Verify(bytes.NewReader(log.Bytes()), nil, audit.VerifyOptions{InsecureNoCheckpoint: true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
}
