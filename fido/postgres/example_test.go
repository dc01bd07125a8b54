package postgres_test

import (
	"context"
	"fmt"
	"log"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/postgres"
)

// Each replica opens the same database. PGPASSWORD holds the password, so that
// neither the configuration nor the command line does.
func Example() {
	ctx := context.Background()
	store, err := postgres.Open(ctx, "postgres://lakekey@db.example.com/lakekey?pool_max_conns=10")
	if err != nil {
		log.Fatal(err) // says what the server said, and never the password
	}
	defer store.Close()
	rp, err := fido.New(fido.Config{ID: "example.com", Origins: []string{"https://login.example.com"}, InsecureNoAudit: true}, store)
	if err != nil {
		log.Fatal(err)
	}
	ceremony, err := rp.BeginSignIn(ctx, fido.SignInRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(ceremony.Options))
}
