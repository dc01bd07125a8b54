// Nbclean takes tokens out of Jupyter and Databricks notebooks: by hand, in
// CI, and before each commit. It says where they were, never what they were.
package main
