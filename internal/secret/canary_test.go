package secret_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/offhost"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/issuer"
)

const module = "github.com/lakekey/lakekey"

// holders are the exported types that can hold a secret, directly or further in.
// TestHoldersAreListed finds the ones that are missing here.
var holders = []reflect.Type{
	reflect.TypeFor[softkey.CA](),
	reflect.TypeFor[softkey.Key](),
	reflect.TypeFor[softkey.Options](),
	reflect.TypeFor[softkey.Port](),
	reflect.TypeFor[databricks.TokenSource](),
	reflect.TypeFor[databricks.Strategy](),
	reflect.TypeFor[databrickstest.Options](),
	reflect.TypeFor[databrickstest.Workspace](),
	reflect.TypeFor[fido.Ceremony](),
	reflect.TypeFor[fido.RegistrationRequest](),
	reflect.TypeFor[mdstest.CA](),
	reflect.TypeFor[offhost.HTTP](),
	reflect.TypeFor[offhost.HTTPConfig](),
	reflect.TypeFor[issuer.Key](),
	reflect.TypeFor[issuer.MemoryStore](),
	reflect.TypeFor[oidc.ExchangeRequest](),
	reflect.TypeFor[oidc.IDToken](),
	reflect.TypeFor[oidc.Session](),
	reflect.TypeFor[oidc.Token](),
}

func TestHoldersDoNotPrint(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	scalar, err := key.Bytes()
	require.NoError(t, err)
	for _, typ := range holders {
		t.Run(typ.String(), func(t *testing.T) {
			v := reflect.New(typ)
			f := filler{key: key}
			f.fill(v.Elem(), 0)
			require.Positive(t, f.filled, "nothing in it could be filled: is it still a holder?")
			// Both the pointer, which is how most are passed, and the bare struct,
			// which is how one ends up in somebody's %+v.
			for _, printed := range []any{v.Interface(), v.Elem().Interface()} {
				requireSilent(t, canary, printed)
				requireSilent(t, string(scalar), printed)
				require.NotContains(t, everyWay(printed), new(big.Int).SetBytes(scalar).String())
			}
		})
	}
}

// filler puts the canary into every secret.Value, and a known private key into
// every place for one, that it can reach from a value, unexported fields too.
type filler struct {
	key    *ecdsa.PrivateKey
	filled int
}

func (f *filler) fill(v reflect.Value, depth int) {
	if depth > 10 {
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[secret.Value]():
		f.set(v, reflect.ValueOf(secret.New(canary)))
		return
	case v.Type() == reflect.TypeFor[*ecdsa.PrivateKey]():
		f.set(v, reflect.ValueOf(f.key))
		return
	case v.Type() == reflect.TypeFor[ecdsa.PrivateKey]():
		return
	case v.Type() == reflect.TypeFor[ed25519.PrivateKey]():
		f.set(v, reflect.ValueOf(ed25519.PrivateKey(canary)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if store := v.Addr().MethodByName("Store"); v.Type().PkgPath() == "sync/atomic" && strings.HasPrefix(v.Type().Name(), "Pointer[") {
			p := reflect.New(store.Type().In(0)).Elem()
			f.fill(p, depth+1)
			store.Call([]reflect.Value{p})
			return
		}
		if pkg := v.Type().PkgPath(); pkg != "" && !strings.HasPrefix(pkg, module) {
			return // somebody else's: not ours to fill
		}
		for i := range v.NumField() {
			f.fill(open(v.Field(i)), depth+1)
		}
	case reflect.Pointer:
		if e := v.Type().Elem(); e.Kind() == reflect.Struct && strings.HasPrefix(e.PkgPath(), module) {
			p := reflect.New(e)
			f.fill(p.Elem(), depth+1)
			v.Set(p)
		}
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), 1, 1)
		f.fill(s.Index(0), depth+1)
		v.Set(s)
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		f.fill(e, depth+1)
		m := reflect.MakeMap(v.Type())
		m.SetMapIndex(reflect.New(v.Type().Key()).Elem(), e)
		v.Set(m)
	}
}

func (f *filler) set(v, to reflect.Value) {
	v.Set(to)
	f.filled++
}

// open makes an unexported field settable.
func open(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// An issuer signs with a key inside a signer that is not ours to fill, so a real
// one is made and the key is read back from its store.
func TestIssuerDoesNotPrint(t *testing.T) {
	signer, _, _, err := audit.NewSigner("canary/audit")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})
	defer log.Close()
	store := issuer.NewMemoryStore()
	i, err := issuer.New(t.Context(), issuer.Config{URL: "http://localhost:8080", Clients: []issuer.Client{{ID: "c"}}, Audit: log}, struct{ issuer.RelyingParty }{}, store)
	require.NoError(t, err)
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	parsed, err := x509.ParsePKCS8PrivateKey([]byte(keys[0].PKCS8.Reveal()))
	require.NoError(t, err)
	scalar, err := parsed.(*ecdsa.PrivateKey).Bytes()
	require.NoError(t, err)
	for _, printed := range []any{i, i.Keyring(), store, log, keys} {
		requireSilent(t, string(scalar), printed)
		requireSilent(t, keys[0].PKCS8.Reveal(), printed)
		require.NotContains(t, everyWay(printed), new(big.Int).SetBytes(scalar).String())
	}
}

// TestHoldersAreListed reads the source of every library package for exported
// structs that hold a secret.Value or a private key in a field, directly or
// through a struct of the same package, and requires each in holders.
func TestHoldersAreListed(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{if ne .Name \"main\"}}{{.ImportPath}} {{.Dir}}{{end}}", module+"/...").Output()
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(out)) {
		path, dir, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.Contains(path, "/internal/") {
			continue
		}
		for _, name := range holdersIn(t, dir) {
			found = append(found, strings.TrimPrefix(path, module+"/")+"."+name)
		}
	}
	var listed []string
	for _, typ := range holders {
		listed = append(listed, strings.TrimPrefix(typ.PkgPath(), module+"/")+"."+typ.Name())
	}
	for _, name := range found {
		require.Contains(t, listed, name, "it can hold a secret: add it to holders")
	}
	require.Greater(t, len(found), 5, "the search has gone blind")
}

func holdersIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	structs := map[string]*ast.StructType{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok {
					structs[spec.Name.Name] = s
				}
			}
			return true
		})
	}
	holding := map[string]bool{}
	for range len(structs) + 1 { // until what holds a holder is one
		for name, s := range structs {
			for _, field := range s.Fields.List {
				ast.Inspect(field.Type, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.SelectorExpr:
						x, _ := n.X.(*ast.Ident)
						if x != nil && (x.Name == "secret" && n.Sel.Name == "Value" || n.Sel.Name == "PrivateKey") {
							holding[name] = true
						}
						return false
					case *ast.FuncType, *ast.InterfaceType:
						return false
					case *ast.Ident:
						if holding[n.Name] {
							holding[name] = true
						}
					}
					return true
				})
			}
		}
	}
	var names []string
	for name := range holding {
		if ast.IsExported(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
