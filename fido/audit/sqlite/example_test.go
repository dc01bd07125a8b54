package sqlite_test

import (
	"context"
	"fmt"
	"log"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/sqlite"
)

func Example() {
	ctx := context.Background()
	signer, verifierKey, _, err := audit.NewSigner("idp.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	db, err := sqlite.Open(ctx, ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	l, err := audit.OpenSQL(ctx, db, signer, audit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close() // closes db
	if err := l.Append(ctx, audit.Event{Type: "credential.registered", Outcome: audit.OK, User: "ada@example.com"}); err != nil {
		log.Fatal(err)
	}
	key, err := note.NewVerifier(verifierKey)
	if err != nil {
		log.Fatal(err)
	}
	report, err := audit.VerifySQL(ctx, db, key, audit.VerifyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Records, "records,", report.Signed, "under a signed checkpoint")
	// Output: 1 records, 1 under a signed checkpoint
}
