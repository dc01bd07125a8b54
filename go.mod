module github.com/lakekey/lakekey

go 1.26.0

require (
	github.com/chromedp/cdproto v0.0.0-20260320225252-cf654f46fc63 // the virtual authenticators of Chromium, in the tests of the page
	github.com/chromedp/chromedp v0.15.0 // drives Chromium in the tests of the page
	github.com/coreos/go-oidc/v3 v3.21.0 // verifies ID tokens, under the checks of package oidc
	github.com/databricks/databricks-sdk-go v0.175.0 // what package databricks plugs into
	github.com/fxamacker/cbor/v2 v2.10.0 // the language of keys (CTAP2, COSE)
	github.com/go-jose/go-jose/v4 v4.1.9 // signs the issuer's tokens, reads DPoP proofs and key sets
	github.com/go-webauthn/webauthn v0.18.2 // verifies attestation statements, under package fido
	github.com/golang-jwt/jwt/v5 v5.3.1 // a second JWT implementation, for the workspace that judges ours
	github.com/google/go-tpm v0.9.8 // attestations of TPMs, which tests make; go-webauthn reads them with it
	github.com/google/osv-scalibr v0.4.5 // finds the tokens of other services, in databricks/notebook only; newer ones raise everybody's Go
	github.com/google/uuid v1.6.0 // ids of accounts, policies and service principals in the strict workspace
	github.com/jackc/pgx/v5 v5.12.0 // PostgreSQL, in internal/postgresdb only
	github.com/keys-pub/go-libfido2 v1.5.4-0.20250104233141-2534349bd685 // libfido2, in authenticator/libfido2 with the build tag of that name only
	github.com/stretchr/testify v1.12.1 // tests only
	github.com/zalando/go-keyring v0.2.8 // the keyring of the operating system, in oidc/keyring only
	go.yaml.in/yaml/v3 v3.0.5 // reads key policies, with the line of every mistake
	golang.org/x/mod v0.42.0 // the Merkle tree and signed checkpoints of the audit log
	golang.org/x/net v0.61.0 // the public suffix list and IDNA, for RP IDs
	golang.org/x/oauth2 v0.37.0 // the token type of the SDK's interface
	golang.org/x/sys v0.49.0 // file locks, devices and terminals of the operating system
	golang.org/x/term v0.47.0 // reads a PIN without showing it
	golang.org/x/text v0.43.0 // normalises PINs (NFC)
	golang.org/x/time v0.16.0 // rate limits of the web handlers
	modernc.org/sqlite v1.62.0 // SQLite without cgo, in internal/sqlitedb only
)

require (
	cloud.google.com/go/auth v0.4.2 // indirect
	cloud.google.com/go/auth/oauth2adapt v0.2.2 // indirect
	cloud.google.com/go/compute/metadata v0.9.0 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/chromedp/sysutil v1.1.0 // indirect
	github.com/danieljoos/wincred v1.2.3 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/felixge/httpsnoop v1.0.4 // indirect
	github.com/go-json-experiment/json v0.0.0-20260214004413-d219187c3433 // indirect
	github.com/go-logr/logr v1.4.3 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/go-webauthn/x v0.3.1 // indirect
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/gobwas/pool v0.2.1 // indirect
	github.com/gobwas/ws v1.4.0 // indirect
	github.com/godbus/dbus/v5 v5.2.2 // indirect
	github.com/golang/groupcache v0.0.0-20241129210726-2c02b8208cf8 // indirect
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/google/go-querystring v1.1.0 // indirect
	github.com/google/s2a-go v0.1.7 // indirect
	github.com/googleapis/enterprise-certificate-proxy v0.3.2 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
	github.com/pkg/browser v0.0.0-20240102092130-5ac0b6a4141c // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/tinylib/msgp v1.6.4 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	go.opencensus.io v0.24.0 // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc v0.60.0 // indirect
	go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp v0.61.0 // indirect
	go.opentelemetry.io/otel v1.39.0 // indirect
	go.opentelemetry.io/otel/metric v1.39.0 // indirect
	go.opentelemetry.io/otel/trace v1.39.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/exp v0.0.0-20250408133849-7e4ce0ab07d0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	google.golang.org/api v0.182.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20251202230838-ff82c1b0f217 // indirect
	google.golang.org/grpc v1.79.3 // indirect
	google.golang.org/protobuf v1.36.10 // indirect
	gopkg.in/ini.v1 v1.67.0 // indirect
	modernc.org/libc v1.80.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
