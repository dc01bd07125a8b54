package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/offhost"
	auditpostgres "github.com/lakekey/lakekey/fido/audit/postgres"
	auditsqlite "github.com/lakekey/lakekey/fido/audit/sqlite"
)

// inDatabase is the Config.Audit of a log that stands beside keys and sessions.
const inDatabase = "db"

// openAudit opens the log that cfg names, signed as host's, and returns the key to
// verify it with.
func openAudit(ctx context.Context, cfg Config, host string) (*audit.Log, string, error) {
	place := cfg.Audit
	if place == inDatabase {
		place = cfg.DB
	}
	if place == "memory:" {
		place = ""
	}
	keyFile := cfg.AuditKey
	if keyFile == "" && place != "" {
		if isPostgres(place) {
			return nil, "", errors.New("-audit-key is missing: which file keeps the key that signs the audit log? Every replica needs the same")
		}
		keyFile = strings.TrimPrefix(place, "sqlite:") + ".key"
	}
	signer, public, err := openSigner(keyFile, host+"/audit")
	if err != nil {
		return nil, "", fmt.Errorf("opening the key of the audit log (each log has its own; a provider of another name needs another -audit): %w", err)
	}
	options, err := offHost(cfg)
	if err != nil {
		return nil, "", err
	}
	var db audit.Database
	switch file, isSQLite := strings.CutPrefix(place, "sqlite:"); {
	case place == "":
		return audit.NewMemory(signer, options), public, nil
	case isSQLite:
		db, err = auditsqlite.Open(ctx, file)
	case isPostgres(place):
		db, err = auditpostgres.Open(ctx, place)
	default:
		log, err := audit.OpenFile(place, signer, options)
		if err != nil {
			return nil, "", fmt.Errorf("opening the audit log %s: %w", place, err)
		}
		return log, public, nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("-audit: %w", err)
	}
	log, err := audit.OpenSQL(ctx, db, signer, options) // which closes db
	if err != nil {
		return nil, "", fmt.Errorf("opening the audit log in the database: %w", err)
	}
	return log, public, nil
}

func isPostgres(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// openSigner opens the key in file, or makes one that is kept nowhere.
func openSigner(file, name string) (signer note.Signer, public string, err error) {
	if file == "" {
		signer, public, _, err = audit.NewSigner(name)
		return signer, public, err
	}
	return audit.OpenSigner(file, name)
}

// offHost says where checkpoints go beside the log.
func offHost(cfg Config) (o audit.Options, err error) {
	for _, place := range cfg.Checkpoints {
		var sink audit.CheckpointSink
		if strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://") {
			sink, err = offhost.NewHTTP(place, offhost.HTTPConfig{Token: cfg.CheckpointToken})
		} else {
			sink, err = offhost.NewDirectory(place)
		}
		if err != nil {
			return o, fmt.Errorf("-checkpoints: %w", err)
		}
		o.OffHost = append(o.OffHost, sink)
	}
	return o, nil
}
