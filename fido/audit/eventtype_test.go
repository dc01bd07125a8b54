package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
)

func TestTheCatalogueIsSound(t *testing.T) {
	activities := map[int][]int{0: {99}, 3001: {1, 2, 5, 6, 9, 10, 11, 12, 99}, 3002: {1, 2, 6, 99}, 3003: {1, 2, 3, 99}}
	before := ""
	for _, e := range audit.EventTypes() {
		require.Greater(t, e.Name, before, "sorted, and each once")
		before = e.Name
		require.NotEmpty(t, e.Means, e.Name)
		require.Contains(t, activities, e.Class, e.Name)
		require.Contains(t, activities[e.Class], e.Activity, e.Name)
		_, err := audit.Line(audit.Event{Type: e.Name})
		require.NoError(t, err)
		got, ok := audit.TypeOf(e.Name)
		require.True(t, ok)
		require.Equal(t, e, got)
		if strings.HasPrefix(e.Name, "credential.") || strings.HasPrefix(e.Name, "token.") || strings.HasSuffix(e.Name, ".failed") {
			require.Equal(t, audit.Enforced, e.Delivery, e.Name)
		}
	}
	_, ok := audit.TypeOf("somebody.elses")
	require.False(t, ok)
	require.Zero(t, audit.Enforced, "what is not said otherwise is enforced")
}

// A type that is written anywhere and stands in no catalogue would be exported
// without a class and explained to nobody.
func TestEveryTypeThatIsRecordedIsInTheCatalogue(t *testing.T) {
	found := 0
	for _, dir := range []string{"fido", "oidc", "databricks", "examples"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			src, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(src), `"github.com/lakekey/lakekey/fido/audit"`) {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
			if err != nil { // somebody is at it; the compiler will say so
				return nil
			}
			ast.Inspect(f, func(n ast.Node) bool {
				for _, typ := range typesIn(n) {
					found++
					if _, ok := audit.TypeOf(typ); !ok {
						t.Errorf("%s records %q, which is not in the catalogue of eventtype.go", path, typ)
					}
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	require.Greater(t, found, 5, "the search must find what is there")
}

// And one that nothing writes promises evidence that is not there.
func TestEveryTypeInTheCatalogueIsRecorded(t *testing.T) {
	var source strings.Builder
	for _, dir := range []string{"fido", "oidc", "databricks", "examples"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			reading := strings.Contains(path, "audit/review") || strings.Contains(path, "audit/export")
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || reading {
				return err
			}
			text, err := os.ReadFile(path)
			source.Write(text)
			return err
		})
		require.NoError(t, err)
	}
	for _, typ := range audit.EventTypes() {
		if strings.HasPrefix(typ.Name, "audit.") {
			continue // constants, which the log writes about itself
		}
		require.Greater(t, strings.Count(source.String(), strconv.Quote(typ.Name)), 1, "%s stands in the catalogue and nowhere else", typ.Name)
	}
}

var typeLike = regexp.MustCompile(`^[a-z-]+\.[a-z-]+$`)

// typesIn returns the types of events that are spelled out at n: in a literal of
// an audit.Event, in an assignment to a field called Type, or in a constant whose
// name begins with "event".
func typesIn(n ast.Node) (all []string) {
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil && typeLike.MatchString(s) {
				all = append(all, s)
			}
		}
	}
	switch n := n.(type) {
	case *ast.CompositeLit:
		if sel, ok := n.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Event" {
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Type" {
						add(kv.Value)
					}
				}
			}
		}
	case *ast.AssignStmt:
		for i, l := range n.Lhs {
			if sel, ok := l.(*ast.SelectorExpr); ok && sel.Sel.Name == "Type" && len(n.Rhs) == len(n.Lhs) {
				add(n.Rhs[i])
			}
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if strings.HasPrefix(name.Name, "event") && i < len(n.Values) {
				add(n.Values[i])
			}
		}
	}
	return all
}
