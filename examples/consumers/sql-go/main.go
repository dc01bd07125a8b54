// Query runs one statement on a SQL warehouse: query WAREHOUSE_ID.
package main

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/databricks/databricks-sdk-go/config"
	dbsql "github.com/databricks/databricks-sql-go"
)

func main() {
	if err := query(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "query:", err)
		os.Exit(1)
	}
}

func query(warehouse string) error {
	session := &config.Config{} // which reads the environment
	if err := session.EnsureResolved(); err != nil {
		return err
	}
	host, err := url.Parse(session.Host)
	if err != nil {
		return err
	}
	port := 443
	if host.Port() != "" {
		if port, err = strconv.Atoi(host.Port()); err != nil {
			return err
		}
	}
	connector, err := dbsql.NewConnector(
		dbsql.WithServerHostname(host.Hostname()),
		dbsql.WithPort(port),
		dbsql.WithHTTPPath("/sql/1.0/warehouses/"+warehouse),
		dbsql.WithAuthenticator(session), // asked for each request, so that a new token is taken up
	)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	var id int
	if err := db.QueryRow("SELECT 1 AS id").Scan(&id); err != nil {
		return err
	}
	fmt.Println("the warehouse says", id)
	return nil
}
