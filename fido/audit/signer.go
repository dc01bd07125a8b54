package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/internal/secret"
)

// NewSigner makes a key that signs the checkpoints of the log called name: a
// text without spaces and '+', by convention a URL without its scheme
// ("idp.example.com/audit"). Auditors need verifierKey, which is no secret, for
// [note.NewVerifier]. secretKey is the key in the form that a key file holds.
func NewSigner(name string) (signer note.Signer, verifierKey string, secretKey secret.Value, err error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, "", secret.Value{}, fmt.Errorf("audit: making a key: %v", err)
	}
	signer, err = note.NewSigner(skey)
	if err != nil {
		return nil, "", secret.Value{}, fmt.Errorf("audit: %q cannot name a log: it must be a text without spaces and '+'", name)
	}
	return signer, vkey, secret.New(skey), nil
}

// OpenSigner reads the key of the log called name from the file at path, or,
// if there is no such file, makes a key and writes it there. It refuses a file
// that anybody but its owner may read (mode 0600). The key stands on one line,
// in the form of [note.GenerateKey]. A key is there whole or not at all, whenever
// the program that makes it is killed.
//
// Keep the file where the log is not kept: who has both can rewrite history.
func OpenSigner(path, name string) (signer note.Signer, verifierKey string, err error) {
	signer, verifierKey, err = readSigner(path, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, verifierKey, err
	}
	signer, verifierKey, err = createSigner(path, name)
	if errors.Is(err, fs.ErrExist) { // of two programs that start together one makes the key
		return readSigner(path, name)
	}
	return signer, verifierKey, err
}

func readSigner(path, name string) (signer note.Signer, verifierKey string, err error) {
	f, err := openFollowing(path)
	if err != nil {
		return nil, "", fmt.Errorf("audit: opening the key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, "", fmt.Errorf("audit: opening the key: %v", err)
	}
	// Windows has no such bits; there the folder's access list decides.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, "", fmt.Errorf("audit: %s may be read by others (mode %04o): make a new key, or, if nobody has read it, run: chmod 600 %s", path, mode, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, "", fmt.Errorf("audit: reading the key: %v", err)
	}
	skey := strings.TrimSpace(string(b))
	if skey == "" {
		return nil, "", fmt.Errorf("audit: %s is empty: put the key of the log there, or, if the log is new, remove the file and a key is made", path)
	}
	signer, err = note.NewSigner(skey)
	if err != nil {
		return nil, "", fmt.Errorf("audit: %s holds no signing key: %v", path, err)
	}
	if signer.Name() != name {
		return nil, "", fmt.Errorf("audit: %s holds the key of %q, not of %q", path, signer.Name(), name)
	}
	verifierKey, err = verifierOf(skey, name)
	return signer, verifierKey, err
}

func createSigner(path, name string) (note.Signer, string, error) {
	signer, verifierKey, key, err := NewSigner(name)
	if err != nil {
		return nil, "", err
	}
	if err := createFile(path, strings.NewReader(key.Reveal()+"\n")); err != nil {
		return nil, "", fmt.Errorf("audit: creating the key: %w", err)
	}
	return signer, verifierKey, nil
}

// verifierOf derives the public key: "PRIVATE+KEY+name+hash+base64(1 || seed)".
func verifierOf(skey, name string) (string, error) {
	parts := strings.SplitN(skey, "+", 5) // base64 may itself hold a '+'
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", errors.New("audit: the key is not an Ed25519 key")
	}
	pub, _ := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(name, pub)
	if err != nil {
		return "", fmt.Errorf("audit: deriving the verifier key: %v", err)
	}
	return vkey, nil
}
