package arch_test

// module is the import path prefix of everything that is ours.
const module = "github.com/lakekey/lakekey"

// layer says what the packages under one folder may import of ours, beside
// themselves and internal/… . The way through the folders is the way of a
// sign-in: authenticator → fido → oidc → databricks.
type layer struct {
	under string   // a folder: the package and those below it
	may   []string // folders of ours it may import
	why   string
}

// The first layer whose folder holds a package decides.
var layers = []layer{
	{"authenticator", []string{"authenticator"}, "the key's side runs on people's machines and is imported for its own sake: it must not drag a server or an identity provider along"},
	{"fido/audit", nil, "every later stage writes to the record, so the record may depend on none of them"},
	{"fido", []string{"fido"}, "the relying party does not know who uses its proofs; the key's side and the server's side meet in WebAuthn JSON only, never in a Go type"},
	{"oidc/issuer", []string{"oidc/issuer", "fido"}, "the issuer turns a proof into a session; it shares no code with the client that checks its tokens, so that a bug cannot cancel itself out"},
	{"oidc", []string{"oidc", "authenticator", "fido/audit"}, "a client of identity providers must not link a relying party"},
	{"databricks/databrickstest", nil, "the strict workspace is the judge of everything else and shares nothing with what it judges"},
	{"databricks", []string{"databricks", "oidc", "authenticator", "fido/audit"}, "the last stage uses a session and does not care where it came from"},
	{"examples", []string{"authenticator", "fido", "oidc", "oidc/issuer", "databricks", "examples"}, "programs put the stages together"},
	{"internal", nil, "what several packages share may depend on none of them"},
	{"", nil, "the root package is a signpost"},
}

// home says in which packages, and only there, a dependency may be imported
// directly. A path ending in / stands for everything below it.
var home = []struct {
	dependency string
	in         []string
	why        string
}{
	{"C", []string{"authenticator/libfido2", "authenticator/libfido2/"}, "everything else builds with CGO_ENABLED=0"},
	{"github.com/keys-pub/go-libfido2", []string{"authenticator/libfido2"}, "cgo, and its types must not leak"},
	{"github.com/go-webauthn/webauthn/", []string{"fido"}, "458 exported names behind our 20; it moves quickly and is pinned"},
	{"github.com/coreos/go-oidc/v3/", []string{"oidc"}, "it verifies signature, issuer, audience and expiry and nothing else: only one package may forget that"},
	{"github.com/databricks/databricks-sdk-go", []string{"databricks", "databricks/", "examples/"}, "34 linked modules"},
	{"github.com/databricks/databricks-sdk-go/", []string{"databricks", "databricks/", "examples/"}, "34 linked modules"},
	{"github.com/fxamacker/cbor/v2", []string{"authenticator", "authenticator/", "fido"}, "CBOR is the language of keys"},
	{"go.yaml.in/yaml/v3", []string{"fido/keypolicy", "oidc/policy"}, "policies are files that people write; everything else is JSON"},
	{"modernc.org/", []string{"internal/sqlitedb"}, "one place opens SQLite, so that journal mode, locking and durability are decided once"},
	{"github.com/jackc/pgx/v5", []string{"internal/postgresdb"}, "one place opens PostgreSQL, so that TLS, time limits and what errors say are decided once"},
	{"github.com/jackc/pgx/v5/", []string{"internal/postgresdb"}, "one place opens PostgreSQL, so that TLS, time limits and what errors say are decided once"},
	{"github.com/chromedp/", []string{"internal/browser"}, "one harness drives the browser, and only tests import it"},
	{"github.com/zalando/go-keyring", []string{"oidc/keyring"}, "it links D-Bus: who keeps no sessions in a keyring does not pay for it"},
	{"github.com/google/osv-scalibr/", []string{"databricks/notebook"}, "detectors of other people's tokens; of a scanner of everything, only they may be linked"},
	{"github.com/golang-jwt/jwt/v5", []string{"databricks/databrickstest"}, "a second JWT implementation judges the tokens that the first one signed"},
	{"github.com/go-jose/go-jose/v4/", []string{"oidc/issuer", "oidc", "oidc/oidctest", "oidc/caep"}, "one place signs, one place verifies"},
	{"github.com/go-jose/go-jose/v4", []string{"oidc/issuer", "oidc", "oidc/oidctest", "oidc/caep"}, "one place signs, one place verifies"},
}

// unlinked lists modules that must not be reachable from a package at all: an
// importer of the package must not pay for them.
var unlinked = []struct {
	pkg    string
	module string
	why    string
}{
	{"authenticator", "github.com/go-webauthn/", "a program that uses a key has no relying party"},
	{"authenticator", "github.com/databricks/", "nor Databricks"},
	{"authenticator", "modernc.org/", "nor a database"},
	{"authenticator", "github.com/jackc/", "nor a database"},
	{"authenticator", "github.com/coreos/", "nor an identity provider"},
	{"fido", "github.com/databricks/", "importing fido must not link the Databricks SDK"},
	{"fido", "github.com/coreos/", "fido never imports oidc"},
	{"fido", "modernc.org/", "the SQLite store is a package of its own"},
	{"fido", "github.com/jackc/", "the PostgreSQL store is a package of its own"},
	{"fido/audit", "github.com/go-webauthn/", "the record is imported by every stage"},
	{"fido/mds", "github.com/go-webauthn/", "what is known about key models is of use without a relying party"},
	{"fido/audit", "modernc.org/", "the record is imported by every stage"},
	{"fido/audit", "github.com/jackc/", "the record is imported by every stage"},
	{"oidc", "github.com/databricks/", "importing oidc must not link the Databricks SDK (34 modules)"},
	{"oidc", "github.com/go-webauthn/", "importing oidc must not link a relying party"},
	{"oidc", "modernc.org/", "importing oidc must not link a database"},
	{"oidc", "github.com/jackc/", "importing oidc must not link a database"},
	{"oidc", "github.com/zalando/", "importing oidc must not link a keyring"},
	{"oidc/keep", "github.com/zalando/", "nor must sealed files"},
	{"oidc/issuer", "github.com/databricks/", "the issuer serves any relying party"},
	{"oidc/issuer", "modernc.org/", "the SQLite store is a package of its own"},
	{"oidc/issuer", "github.com/jackc/", "the PostgreSQL store is a package of its own"},
	{"databricks", "github.com/google/osv-scalibr", "nor does it look for tokens"},
	{"databricks", "github.com/go-webauthn/", "a user of sessions has no relying party"},
	{"databricks", "modernc.org/", "nor a database"},
	{"databricks", "github.com/jackc/", "nor a database"},
}

// surface says how many names a package may export at most: types, functions, methods
// of exported types, variables and constants, in all of its files for all systems.
var surface = []struct {
	pkg  string
	most int
	why  string
}{
	{"authenticator", 45, "the packages that people like have 6 to 50; what nobody outside needs stands in authenticator/internal or is not exported"},
}

// topLevel is everything that may stand in the module's root, beside dot-folders.
var topLevel = map[string]bool{
	"authenticator": true, "fido": true, "oidc": true, "databricks": true, "examples": true, "internal": true,
	"go.mod": true, "go.sum": true, "doc.go": true, "doc_test.go": true, "README.md": true, "readme_test.go": true, "LICENSE": true, "CHANGELOG.md": true,
}

// maxLines is how long a source file may be before it holds more than one noun.
const maxLines = 500
