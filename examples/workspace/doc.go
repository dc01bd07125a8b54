// Workspace serves a strict stand-in for a Databricks account and workspace on
// this machine: package databricks/databrickstest as a program. It is for trying
// sign-ins out and for tests in any language; nothing is kept when it ends.
//
//	export LAKEKEY_WORKSPACE_ADMIN_TOKEN=$(openssl rand -hex 16)
//	go run ./examples/workspace -listen 127.0.0.1:8090
//
// The URL goes to stdout, on a line of its own, once requests are answered. What
// to do with it goes to stderr.
package main
