package arch_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

type goPackage struct {
	ImportPath, Name, Dir string
	GoFiles, CgoFiles     []string
	TestGoFiles           []string
	XTestGoFiles          []string
	Imports, Deps         []string
}

// place is the folder of the package in the module: "" for the root.
func (p goPackage) place() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	require.NoError(t, err)
	return filepath.Dir(strings.TrimSpace(string(out)))
}

var load = sync.OnceValues(func() ([]goPackage, error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports,Deps", module+"/...").Output()
	if err != nil {
		if ee, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, errors.New(string(ee.Stderr))
		}
		return nil, err
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func packages(t *testing.T) []goPackage {
	t.Helper()
	all, err := load()
	require.NoError(t, err)
	require.Greater(t, len(all), 5, "go list found hardly any package")
	return all
}

func within(folder, place string) bool {
	return place == folder || folder != "" && strings.HasPrefix(place, folder+"/")
}

func TestImportsFollowTheJourney(t *testing.T) {
	for _, p := range packages(t) {
		place := p.place()
		i := slices.IndexFunc(layers, func(l layer) bool { return within(l.under, place) })
		require.GreaterOrEqual(t, i, 0, "%s lies in no layer: give it one in rules_test.go", place)
		l := layers[i]
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module) {
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
			if within(l.under, to) && l.under != "" && !innerOfAnother(l.under, to) {
				continue
			}
			if within("internal", to) {
				if l.under == "authenticator" {
					t.Errorf("%s imports %s: authenticator imports nothing of ours", place, to)
				}
				continue
			}
			if slices.ContainsFunc(l.may, func(f string) bool { return within(f, to) && !innerOfAnother(f, to) }) {
				continue
			}
			t.Errorf("%s imports %s, and may import only %q: %s", place, to, l.may, l.why)
		}
	}
}

// innerOfAnother reports whether to lies in a layer of its own inside folder:
// oidc/issuer is not part of what an importer of oidc may use.
func innerOfAnother(folder, to string) bool {
	return slices.ContainsFunc(layers, func(l layer) bool {
		return l.under != folder && within(folder, l.under) && within(l.under, to) && l.under != "fido/audit" && l.under != "databricks/databrickstest"
	})
}

func TestHeavyDependenciesLiveInOnePackage(t *testing.T) {
	for _, p := range packages(t) {
		imports := p.Imports
		if len(p.CgoFiles) > 0 {
			imports = append(slices.Clone(imports), "C")
		}
		for _, h := range home {
			for _, imp := range imports {
				if imp != h.dependency && !(strings.HasSuffix(h.dependency, "/") && strings.HasPrefix(imp, h.dependency)) {
					continue
				}
				at := p.place()
				if !slices.ContainsFunc(h.in, func(in string) bool {
					return at == in || strings.HasSuffix(in, "/") && strings.HasPrefix(at, in)
				}) {
					t.Errorf("%s imports %s, which lives in %q: %s", at, imp, h.in, h.why)
				}
			}
		}
	}
}

func TestNobodyPaysForWhatTheyDoNotUse(t *testing.T) {
	byPlace := map[string]goPackage{}
	for _, p := range packages(t) {
		byPlace[p.place()] = p
	}
	for _, u := range unlinked {
		p, ok := byPlace[u.pkg]
		require.True(t, ok, "the rule for %s names a package that is gone", u.pkg)
		for _, d := range p.Deps {
			if strings.HasPrefix(d, u.module) {
				t.Errorf("%s links %s: %s", u.pkg, d, u.why)
				break
			}
		}
	}
}

func TestEveryPackageOpensWithDocGo(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 && len(p.CgoFiles) == 0 {
			continue // tests only
		}
		var documented []string
		for _, f := range slices.Concat(p.GoFiles, p.CgoFiles) {
			if tree := parse(t, filepath.Join(p.Dir, f), parser.PackageClauseOnly|parser.ParseComments); tree.Doc != nil {
				documented = append(documented, f)
			}
		}
		require.Equal(t, []string{"doc.go"}, documented, "%s: the package comment stands in doc.go, and only there", p.place())
		doc := parse(t, filepath.Join(p.Dir, "doc.go"), parser.PackageClauseOnly|parser.ParseComments).Doc.Text()
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = strings.ToUpper(filepath.Base(p.Dir)[:1]) + filepath.Base(p.Dir)[1:] + " "
		}
		require.True(t, strings.HasPrefix(doc, want), "%s: doc.go must begin with %q, begins with %.40q", p.place(), want, doc)
	}
}

func parse(t *testing.T, file string, mode parser.Mode) *ast.File {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, mode)
	require.NoError(t, err)
	return tree
}

// A library package decides nothing behind its caller's back: no init work, no
// panic, no print, no environment, no exit.
func TestLibrariesBehave(t *testing.T) {
	forbidden := map[string]string{
		"os.Getenv": "configuration is passed, not found", "os.LookupEnv": "configuration is passed, not found", "os.Environ": "configuration is passed, not found",
		"os.Exit": "only a program ends itself", "log.Fatal": "only a program ends itself", "log.Fatalf": "only a program ends itself", "log.Printf": "log through an optional *slog.Logger", "log.Println": "log through an optional *slog.Logger",
		"fmt.Print": "a library does not print", "fmt.Printf": "a library does not print", "fmt.Println": "a library does not print",
		"slog.Default": "log through an optional *slog.Logger", "slog.Info": "log through an optional *slog.Logger", "slog.Warn": "log through an optional *slog.Logger", "slog.Error": "log through an optional *slog.Logger",
		"http.DefaultClient": "it has no deadline and follows redirects", "http.Get": "it has no deadline", "http.Post": "it has no deadline", "context.TODO": "pass the caller's context",
	}
	for _, p := range packages(t) {
		if p.Name == "main" || within("internal/arch", p.place()) {
			continue
		}
		for _, f := range p.GoFiles {
			set := token.NewFileSet()
			tree, err := parser.ParseFile(set, filepath.Join(p.Dir, f), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(tree, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Recv == nil && n.Name.Name == "init" {
						t.Errorf("%s: init: no work happens on import", set.Position(n.Pos()))
					}
				case *ast.CallExpr:
					if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "panic" {
						t.Errorf("%s: panic: return an error", set.Position(n.Pos()))
					}
				case *ast.SelectorExpr:
					if id, ok := n.X.(*ast.Ident); ok {
						name := id.Name + "." + n.Sel.Name
						if why, bad := forbidden[name]; bad {
							t.Errorf("%s: %s: %s", set.Position(n.Pos()), name, why)
						}
					}
				}
				return true
			})
		}
	}
}

func TestFilesHoldOneNoun(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range slices.Concat(p.GoFiles, p.CgoFiles) {
			b, err := os.ReadFile(filepath.Join(p.Dir, f))
			require.NoError(t, err)
			if n := strings.Count(string(b), "\n"); n > maxLines {
				t.Errorf("%s/%s has %d lines, more than %d: one noun per file", p.place(), f, n, maxLines)
			}
		}
	}
}

func TestSurfaceStaysSmall(t *testing.T) {
	for _, s := range surface {
		files, err := filepath.Glob(filepath.Join(root(t), s.pkg, "*.go"))
		require.NoError(t, err)
		var names []string
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				names = append(names, exported(parse(t, f, parser.SkipObjectResolution))...)
			}
		}
		require.NotEmpty(t, names, "the rule for %s names a package that is gone", s.pkg)
		require.LessOrEqual(t, len(names), s.most, "%s exports %d names: %s: %s", s.pkg, len(names), s.why, strings.Join(names, " "))
	}
}

// exported are the names that a file adds to its package's surface.
func exported(f *ast.File) (names []string) {
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id.IsExported() {
				names = append(names, id.Name)
			}
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name)
			} else if of := receiver(d.Recv.List[0].Type); of.IsExported() && d.Name.IsExported() {
				names = append(names, of.Name+"."+d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name)
				case *ast.ValueSpec:
					add(spec.Names...)
				}
			}
		}
	}
	return names
}

// receiver is the name of a receiver's type.
func receiver(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e
	default:
		return ast.NewIdent("_")
	}
}

func TestTopLevelIsTheHouse(t *testing.T) {
	out, err := exec.Command("git", "-C", root(t), "ls-files").Output()
	if err != nil {
		t.Skipf("not a git checkout, so there is no list of tracked files: %v", err)
	}
	for _, f := range strings.Fields(string(out)) {
		top, _, _ := strings.Cut(f, "/")
		if !topLevel[top] && !strings.HasPrefix(top, ".") {
			t.Errorf("%s: the top level holds the stages and nothing else", f)
		}
	}
}

// Every skip says why: a bare t.Skip() hides a hole.
func TestSkipsSayWhy(t *testing.T) {
	bare := regexp.MustCompile(`\b[tbf]\.(Skip\(\)|SkipNow\(\)|Skip\(""\))`)
	for _, p := range packages(t) {
		for _, f := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			b, err := os.ReadFile(filepath.Join(p.Dir, f))
			require.NoError(t, err)
			require.False(t, bare.Match(b) && p.place() != "internal/arch", "%s/%s skips without a reason", p.place(), f)
		}
	}
}

// go.mod pins exact versions, replaces nothing (a replace does not reach our
// users), and says of each direct dependency why it is there.
func TestGoModSaysWhy(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	require.NoError(t, err)
	require.NotContains(t, string(b), "\nreplace ")
	direct := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, " v") || strings.HasSuffix(line, "// indirect") || strings.HasPrefix(line, "//") {
			continue
		}
		direct++
		require.Contains(t, line, " // ", "go.mod: why is this module there: %s", line)
	}
	require.Greater(t, direct, 5)
}
