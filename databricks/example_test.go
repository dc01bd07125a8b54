package databricks_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"testing"

	sdk "github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/lakekey/lakekey/databricks"
)

// A program that uses the Databricks SDK for Go changes two fields of the SDK's
// Config. The session is what oidc.SignIn returned after the one touch; here it
// is a stand-in, and so is the workspace.
func ExampleNewStrategy() {
	ctx := context.Background()
	session, host := exampleSession()

	source, err := databricks.NewTokenSource(session, databricks.Config{
		Host:   host,                         // https://dbc-….cloud.databricks.com
		Scopes: []string{"clusters", "jobs"}, // all-apis only when it must be
	})
	if err != nil {
		log.Fatal(err)
	}
	strategy := databricks.NewStrategy(source)
	client, err := sdk.NewWorkspaceClient(&sdk.Config{
		Host:          source.Host(),
		Credentials:   strategy,
		HTTPTransport: strategy.Transport(nil), // replaces a token that is answered 401
	})
	if err != nil {
		log.Fatal(err)
	}
	me, err := client.CurrentUser.Me(ctx, iam.MeRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.UserName)
	// Output: ada@example.com
}

// Without the SDK, a token goes into any request to the host.
func ExampleTokenSource_Authenticate() {
	session, host := exampleSession()
	source, err := databricks.NewTokenSource(session, databricks.Config{Host: host, Scopes: []string{"clusters"}})
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()

	request, err := http.NewRequest(http.MethodGet, source.Host()+"/api/2.1/clusters/list", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := source.Authenticate(request); err != nil {
		log.Fatal(err) // wraps *oidc.LoginRequiredError when the session has ended
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.StatusCode)
	// Output: 200
}

func exampleSession() (databricks.Session, string) {
	w := newWorld(exampleTB{})
	return w.session, w.url
}

// exampleTB lets examples use the helpers of the tests.
type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                   {}
func (exampleTB) Cleanup(func())            {}
func (exampleTB) Errorf(f string, a ...any) { log.Printf(f, a...) }
func (exampleTB) FailNow()                  { log.Fatal("cannot set the example up") }
