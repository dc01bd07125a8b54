package offhost_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/offhost"
)

func ExampleNewDirectory() {
	elsewhere, err := os.MkdirTemp("", "mounted-from-elsewhere")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(elsewhere)
	sink, err := offhost.NewDirectory(elsewhere)
	if err != nil {
		log.Fatal(err)
	}
	signer, _, _, err := audit.NewSigner("idp.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	l, err := audit.OpenFile(filepath.Join(elsewhere, "audit.log"), signer, audit.Options{OffHost: []audit.CheckpointSink{sink}})
	if err != nil {
		log.Fatal(err)
	}
	if err := l.Append(context.Background(), audit.Event{Type: "session.end", Outcome: audit.OK}); err != nil {
		log.Fatal(err)
	}
	if err := l.Close(); err != nil { // brings the last checkpoint there, too
		log.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(elsewhere, "idp.example.com%2Faudit", "*1.checkpoint"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(kept[0]))
	// Output: 00000000000000000001.checkpoint
}
