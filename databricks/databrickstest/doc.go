// Package databrickstest is a strict Databricks account with one workspace, as an
// [http.Handler].
package databrickstest
