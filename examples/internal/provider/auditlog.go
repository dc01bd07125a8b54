package provider

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

// openAudit opens the log in file, or one in memory, signed as host's, and
// returns the key to verify it with. The key that signs stands in file.key.
func openAudit(file, host string) (*audit.Log, string, error) {
	var (
		signer note.Signer
		public string
		err    error
	)
	name := host + "/audit"
	if file == "" {
		signer, public, _, err = audit.NewSigner(name)
	} else {
		signer, public, err = audit.OpenSigner(file+".key", name)
	}
	if err != nil {
		return nil, "", fmt.Errorf("opening the key of the audit log %s (each log has its own; a provider of another name needs another -audit file): %w", file, err)
	}
	if file == "" {
		return audit.NewMemory(signer, audit.Options{}), public, nil
	}
	log, err := audit.OpenFile(file, signer, audit.Options{})
	if err != nil {
		return nil, "", fmt.Errorf("opening the audit log %s: %w", file, err)
	}
	return log, public, nil
}
