package authenticator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/require"
)

// The package example is what a program has to write: a sign-in, errors included, in
// less than 25 lines.
func TestTheExampleIsShort(t *testing.T) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "example_test.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Example" {
			require.Less(t, set.Position(f.End()).Line-set.Position(f.Pos()).Line+1, 25)
			return
		}
	}
	t.Fatal("there is no Example")
}
