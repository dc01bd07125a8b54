package provider

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido/audit"
)

// openAudit opens the log in file, or one in memory, signed as host's. The key
// that signs stands in file.key.
func openAudit(file, host string) (*audit.Log, note.Verifier, error) {
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
		return nil, nil, fmt.Errorf("opening the key of the audit log: %w", err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key of the audit log: %v", err)
	}
	if file == "" {
		return audit.NewMemory(signer, audit.Options{}), verifier, nil
	}
	log, err := audit.OpenFile(file, signer, audit.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("opening the audit log %s: %w", file, err)
	}
	return log, verifier, nil
}
