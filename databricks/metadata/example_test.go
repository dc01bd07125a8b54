package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/lakekey/lakekey/databricks/metadata"
)

// An agent on a person's machine serves the tokens of its session to the tools
// that run there. source would be a databricks.TokenSource.
func ExampleServer() {
	ctx := context.Background()
	source := &source{host: workspace, token: "token"}

	listener, err := metadata.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server, err := metadata.NewServer(listener.Addr(), metadata.Options{Command: "keyagent -key usb"})
	if err != nil {
		log.Fatal(err)
	}
	url, err := server.Add(source)
	if err != nil {
		log.Fatal(err)
	}
	agent := &http.Server{Handler: server}
	go func() {
		if err := agent.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
		}
	}()
	defer agent.Close()

	// Another program, with DATABRICKS_HOST, DATABRICKS_AUTH_TYPE and
	// DATABRICKS_METADATA_SERVICE_URL in its environment.
	tool := &config.Config{Host: workspace, AuthType: "metadata-service", MetadataServiceURL: url.Reveal(), HostMetadataResolver: noHostMetadata}
	request, err := http.NewRequest(http.MethodGet, workspace+"/api/2.1/clusters/list", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := tool.Authenticate(request); err != nil {
		log.Fatal(err)
	}
	fmt.Println(request.Header.Get("Authorization"))
	// Output: Bearer token
}

// noHostMetadata keeps the tool from asking a workspace that does not exist what
// kind of host it is.
func noHostMetadata(context.Context, string) (*config.HostMetadata, error) { return nil, nil }
