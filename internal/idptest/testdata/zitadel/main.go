// Zitadel serves the example provider of zitadel/oidc on the loopback interface:
// the example's own main listens on every one.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	var redirects []string
	flag.Func("web", "where the client web wants answers", func(uri string) error { redirects = append(redirects, uri); return nil })
	flag.Parse()
	if err := serve(redirects); err != nil {
		log.Fatal(err)
	}
}

func serve(redirects []string) error {
	// A port that the system picks, so that no two providers ever want the same.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + listener.Addr().String() + "/"
	storage.RegisterClients(
		storage.NativeClient("native", "http://127.0.0.1/callback"),
		storage.WebClient("web", "web-secret", redirects...),
		storage.DeviceClient("device", "device-secret"),
	)
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	router := exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), logger, false)
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"issuer": issuer}); err != nil {
		return err
	}
	return http.Serve(listener, router)
}
