package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// ClientID is the public client that native programs sign in as.
const ClientID = "lakekey"

// Config says what to open.
type Config struct {
	URL string // the issuer; its host is the RP ID
	DB  string // memory:, sqlite:FILE or postgres://…

	// Audit is where the audit log is kept: a file, sqlite:FILE or postgres://…;
	// "db" is the database of DB; empty: in memory. Replicas share a log that is in
	// a database.
	Audit    string
	AuditKey string // the file of the key that signs it; empty: FILE.key
	// Checkpoints are where the log's signed checkpoints go as well: directories, or
	// URLs that they are posted to, with CheckpointToken.
	Checkpoints     []string
	CheckpointToken secret.Value

	// Audiences that tokens may be for. Empty: any, and each relying party
	// must then look at azp too.
	Audiences []string

	// Clients is the file of the clients beside [ClientID], see
	// [issuer.ParseClients]; a change counts at once. Empty: there are none.
	Clients string

	// Providers is the file of other identity providers, whose security events end
	// sessions here and whose certificates are watched. Empty: there are none.
	Providers string

	SigningAlgorithm string // ES256 or RS256; empty: ES256
	SigningKeys      string // the file of the issuer's signing keys; empty: they are in DB

	Policy          string // the file of the key policy; empty: any key that verifies its user
	Metadata        string // the file that keeps the FIDO metadata; empty: nothing is known about key models
	MetadataOffline bool   // nothing is fetched: somebody puts metadata into that file
	Quarantine      bool   // keys that newer metadata makes unacceptable are held back until an administrator has looked

	// Proxies are the addresses or networks of the reverse proxies in front, whose
	// X-Forwarded-For says where requests come from. Empty: nobody's does.
	Proxies []string

	Logger *slog.Logger // nil: nothing is logged
}

// Provider is an identity provider, ready to serve.
type Provider struct {
	http.Handler

	// VerifierKey is what an auditor checks the audit log with; no secret.
	VerifierKey string

	rp  *fido.RelyingParty
	log *audit.Log
	db  *database
	url string

	metadata     *metadata     // nil: none
	registry     *registry     // nil: not yet
	certificates *certificates // nil: nobody's
	issuer       *issuer.Issuer
}

// Open opens the stores and the log, and puts the stages on top.
func Open(ctx context.Context, cfg Config) (_ *Provider, err error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("-url %q: must be https://HOST, or http://localhost:PORT on one machine", cfg.URL)
	}
	p := &Provider{url: cfg.URL}
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			_ = p.Close() // the first error is the one to tell
		}
	}()
	if p.db, err = openDatabase(ctx, cfg.DB); err != nil {
		return nil, err
	}
	if p.log, p.VerifierKey, err = openAudit(ctx, cfg, u.Hostname()); err != nil {
		return nil, err
	}
	keys := relyingParty(u, p.log)
	if keys.Policy, err = openPolicy(cfg.Policy); err != nil {
		return nil, err
	}
	if cfg.Metadata != "" {
		if p.metadata, err = openMetadata(cfg.Metadata, cfg.MetadataOffline, p.log, cfg.Logger); err != nil {
			return nil, err
		}
		keys.Metadata = p.metadata
	}
	told := &news{}
	keys.Notifier = told
	if p.rp, err = fido.New(keys, p.db.fido); err != nil {
		return nil, err
	}
	pages, err := openPages(u, p.rp, p.log, p.VerifierKey, cfg)
	if err != nil {
		return nil, err
	}
	registry, clients, err := openRegistry(cfg.Clients, issuer.Client{
		ID: ClientID, Name: "lakekey on your computer",
		Audiences: cfg.Audiences, InsecureAnyAudience: len(cfg.Audiences) == 0,
		RedirectURIs: []string{"http://127.0.0.1/callback", "http://[::1]/callback"},
		Device:       true,
	})
	if err != nil {
		return nil, err
	}
	others, err := openOthers(cfg.Providers)
	if err != nil {
		return nil, err
	}
	signs, err := signing(cfg)
	if err != nil {
		return nil, err
	}
	idp, err := issuer.New(ctx, issuer.Config{
		URL:     cfg.URL,
		Clients: clients,
		Site:    pages,
		Keys:    signs,
		Audit:   p.log,
		Logger:  cfg.Logger,
	}, p.rp, p.db.issuer)
	if err != nil {
		return nil, err
	}
	told.to.Store(idp)
	registry.keep(ctx, idp, logger)
	p.registry, p.issuer = registry, idp
	if p.metadata != nil {
		p.metadata.keep(ctx, p.review(cfg.Quarantine, logger))
	}
	if err = p.db.keepURL(ctx, cfg.URL); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, pattern := range pages.Patterns() {
		mux.Handle(pattern, pages)
	}
	mux.Handle("/", idp)
	if err = p.addEvents(mux, others, logger); err != nil {
		return nil, err
	}
	if len(others) > 0 {
		if p.certificates, err = openCertificates(others, p.log, logger); err != nil {
			return nil, err
		}
		p.certificates.keep(ctx, logger)
	}
	p.Handler = only(u.Host, mux)
	return p, nil
}

// relyingParty says on whose behalf keys are used: the provider's own.
func relyingParty(u *url.URL, log *audit.Log) fido.Config {
	return fido.Config{
		ID:      u.Hostname(),
		Name:    "lakekey at " + u.Host,
		Origins: []string{u.Scheme + "://" + u.Host},
		Audit:   log,
	}
}

// only lets requests through that mean this provider. A page that has its own
// name point here (DNS rebinding) is not from here, whatever its browser thinks.
func only(host string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Host, host) {
			http.Error(w, "this is "+host+", and nobody else", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Log is the audit log.
func (p *Provider) Log() *audit.Log { return p.log }

// Close closes the log and the stores.
func (p *Provider) Close() error {
	var err error
	if p.metadata != nil {
		p.metadata.stop()
	}
	if p.registry != nil {
		p.registry.stop()
	}
	if p.certificates != nil {
		p.certificates.stop()
	}
	if p.issuer != nil {
		p.issuer.Close()
	}
	if p.log != nil {
		err = p.log.Close()
	}
	if p.db != nil {
		err = errors.Join(err, p.db.Close())
	}
	return err
}
