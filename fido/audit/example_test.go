package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

// A token is minted only after the intent is on disk. Later an auditor checks
// the file.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "audit.jsonl")

	signer, verifierKey, err := audit.OpenSigner(filepath.Join(dir, "audit.key"), "idp.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	l, err := audit.OpenFile(path, signer, audit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	intent, err := l.Begin(ctx, audit.Event{Type: "token.mint", User: "ada@example.com", Scope: "clusters:read"})
	if err != nil {
		log.Fatal(err) // no record, no token
	}
	// Here the token is minted.
	if err := intent.End(ctx, audit.OK, audit.Event{TokenID: "8f14e45f"}); err != nil {
		log.Fatal(err)
	}
	if err := l.Close(); err != nil {
		log.Fatal(err)
	}

	key, err := note.NewVerifier(verifierKey)
	if err != nil {
		log.Fatal(err)
	}
	report, err := audit.VerifyFile(path, key, audit.VerifyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Records, "records,", report.Open, "open")
	// Output: 2 records, 0 open
}

// A checkpoint that was kept elsewhere shows that the newest records are gone.
func ExampleVerify() {
	ctx := context.Background()
	signer, verifierKey, _, err := audit.NewSigner("idp.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	l := audit.NewMemory(signer, audit.Options{})
	for range 3 {
		if err := l.Append(ctx, audit.Event{Type: "sign_in", Outcome: audit.OK}); err != nil {
			log.Fatal(err)
		}
	}
	kept, err := l.Checkpoint(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := l.WriteTo(&file); err != nil {
		log.Fatal(err)
	}

	key, err := note.NewVerifier(verifierKey)
	if err != nil {
		log.Fatal(err)
	}
	cut := bytes.SplitAfter(file.Bytes(), []byte("\n"))[0]
	_, err = audit.Verify(bytes.NewReader(cut), key, audit.VerifyOptions{Checkpoints: [][]byte{kept}})
	if te, ok := errors.AsType[*audit.TamperError](err); ok {
		fmt.Println(te.Kind, te.Record, te.Last)
	}
	// Output: truncated 2 3
}

// One record is shown to somebody who must not see the others. He has the
// verifier key, and needs nothing else.
func ExampleProveRecord() {
	ctx := context.Background()
	signer, verifierKey, _, err := audit.NewSigner("idp.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	l := audit.NewMemory(signer, audit.Options{})
	for _, user := range []string{"ada@example.com", "bob@example.com", "cyd@example.com"} {
		if err := l.Append(ctx, audit.Event{Type: "credential.registered", Outcome: audit.OK, User: user}); err != nil {
			log.Fatal(err)
		}
	}
	checkpoint, err := l.Checkpoint(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := l.WriteTo(&file); err != nil {
		log.Fatal(err)
	}
	key, err := note.NewVerifier(verifierKey)
	if err != nil {
		log.Fatal(err)
	}
	proof, err := audit.ProveRecord(&file, key, checkpoint, 2)
	if err != nil {
		log.Fatal(err)
	}

	shown, err := audit.CheckRecord(proof, key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("record", shown.Record.Number, "of", shown.Records, "is about", shown.Record.Event.User)
	// Output: record 2 of 3 is about bob@example.com
}

// Nothing that the first checkpoint covers was changed before the second was made.
func ExampleProveGrowth() {
	ctx := context.Background()
	signer, verifierKey, _, err := audit.NewSigner("idp.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	l := audit.NewMemory(signer, audit.Options{})
	var kept [][]byte
	for range 2 {
		for range 5 {
			if err := l.Append(ctx, audit.Event{Type: "ceremony.finished", Outcome: audit.OK}); err != nil {
				log.Fatal(err)
			}
		}
		checkpoint, err := l.Checkpoint(ctx)
		if err != nil {
			log.Fatal(err)
		}
		kept = append(kept, checkpoint)
	}
	var file bytes.Buffer
	if _, err := l.WriteTo(&file); err != nil {
		log.Fatal(err)
	}
	key, err := note.NewVerifier(verifierKey)
	if err != nil {
		log.Fatal(err)
	}
	proof, err := audit.ProveGrowth(&file, key, kept[0], kept[1])
	if err != nil {
		log.Fatal(err)
	}

	grown, err := audit.CheckGrowth(proof, key, kept[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d records are between the first %d and the %d\n", grown.To-grown.From, grown.From, grown.To)
	// Output: 5 records are between the first 5 and the 10
}
