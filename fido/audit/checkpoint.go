package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const maxCheckpoint = 64 << 10 // bytes; cosignatures of witnesses take some

// checkpoint is what a signed note says about the log: how many records there
// were, and the root of the tree over them.
// https://c2sp.org/tlog-checkpoint
type checkpoint struct {
	origin string
	size   uint64
	root   tlog.Hash
}

func (c checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.origin, c.size, c.root)
}

func (c checkpoint) sign(signer note.Signer) ([]byte, error) {
	msg, err := note.Sign(&note.Note{Text: c.text()}, signer)
	if err != nil {
		return nil, fmt.Errorf("audit: signing a checkpoint: %v", err)
	}
	return msg, nil
}

// openCheckpoint verifies the signature on msg and reads it.
func openCheckpoint(msg []byte, key note.Verifier) (checkpoint, error) {
	if len(msg) > maxCheckpoint {
		return checkpoint{}, fmt.Errorf("audit: a checkpoint of %d bytes is too long", len(msg))
	}
	n, err := note.Open(msg, note.VerifierList(key))
	if err != nil {
		return checkpoint{}, fmt.Errorf("audit: a checkpoint is not signed by the key of %s: %v", key.Name(), err)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return checkpoint{}, err
	}
	if c.origin != key.Name() {
		return checkpoint{}, fmt.Errorf("audit: a checkpoint speaks of the log %q, not of %q", c.origin, key.Name())
	}
	return c, nil
}

var errCheckpointForm = errors.New("audit: a checkpoint is not in the form of c2sp.org/tlog-checkpoint")

// parseCheckpoint reads the text of a note. Extension lines are allowed by the
// specification and mean nothing here.
func parseCheckpoint(text string) (checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) != 4 || lines[0] == "" {
		return checkpoint{}, errCheckpointForm
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return checkpoint{}, errCheckpointForm
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return checkpoint{}, errCheckpointForm
	}
	return checkpoint{origin: lines[0], size: uint64(size), root: tlog.Hash(root)}, nil
}
