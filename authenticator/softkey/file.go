package softkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// ErrInUse reports that another process, or another Key of this one, has the
// file open. Two keys that write one file would undo each other's sign counters
// and PIN retries.
var ErrInUse = errors.New("softkey: the file is in use by another key")

// warning stands first in every file, for whoever finds one.
const warning = "NOT FOR PRODUCTION. This is a software security key for tests. " +
	"It holds private keys in the clear: whoever reads this file can sign in as its owner."

const formatVersion = 1

// file is where a key keeps its state.
type file struct {
	path string
	lock *os.File
}

type fileContent struct {
	Warning     string           `json:"WARNING"`
	Version     int              `json:"version"`
	PINHash     []byte           `json:"pin_hash,omitempty"`
	PINLength   int              `json:"pin_length,omitempty"`
	PINRetries  int              `json:"pin_retries"`
	UVFailures  int              `json:"uv_failures,omitempty"`
	Fingers     []fileFinger     `json:"fingers,omitempty"`
	MinPIN      int              `json:"min_pin_length,omitempty"`
	MinPINRPs   []string         `json:"min_pin_length_rp_ids,omitempty"`
	ForceChange bool             `json:"force_pin_change,omitempty"`
	AlwaysUV    bool             `json:"always_uv,omitempty"`
	LargeBlobs  []byte           `json:"large_blobs,omitempty"`
	Credentials []fileCredential `json:"credentials"`
}

type fileFinger struct {
	ID   []byte `json:"id"`
	Name string `json:"name,omitempty"`
}

type fileCredential struct {
	ID           []byte `json:"id"`
	RPID         string `json:"rp_id"`
	UserID       []byte `json:"user_id"`
	UserName     string `json:"user_name,omitempty"`
	DisplayName  string `json:"user_display_name,omitempty"`
	Algorithm    int    `json:"algorithm"`
	Discoverable bool   `json:"discoverable"`
	Protection   int    `json:"cred_protect"`
	Count        uint32 `json:"sign_count"`
	PrivateKey   []byte `json:"private_key"` // PKCS #8
	SecretUV     []byte `json:"hmac_secret_uv,omitempty"`
	SecretNoUV   []byte `json:"hmac_secret_no_uv,omitempty"`
	BlobKey      []byte `json:"large_blob_key,omitempty"`
}

// openFile locks path and reads it. A file that is not there yet is an empty key.
func openFile(path string) (*file, state, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, state{}, fmt.Errorf("softkey: opening the lock: %v", err)
	}
	if err := lockFile(lock); err != nil {
		lock.Close()
		return nil, state{}, fmt.Errorf("%w: %s", ErrInUse, path)
	}
	f := &file{path: path, lock: lock}
	s, err := f.load()
	if err != nil {
		f.close()
		return nil, state{}, err
	}
	return f, s, nil
}

// close gives up the lock with the descriptor. The lock file stays: removing it
// could take a lock that someone else has just got.
func (f *file) close() error { return f.lock.Close() }

func (f *file) load() (state, error) {
	info, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return freshState(), nil
	}
	if err != nil {
		return state{}, fmt.Errorf("softkey: opening the key: %v", err)
	}
	if !info.Mode().IsRegular() {
		return state{}, fmt.Errorf("softkey: %s is not a regular file", f.path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return state{}, fmt.Errorf("softkey: %s holds private keys and is open to others (mode %04o): chmod 600 it, and consider them known",
			f.path, info.Mode().Perm())
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return state{}, fmt.Errorf("softkey: reading the key: %v", err)
	}
	s, err := parseState(data)
	if err != nil {
		return state{}, fmt.Errorf("reading %s: %w", f.path, err)
	}
	return s, nil
}

func parseState(data []byte) (state, error) {
	var content fileContent
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&content); err != nil {
		return state{}, errors.New("softkey: not a software key's file")
	}
	if content.Version != formatVersion {
		return state{}, fmt.Errorf("softkey: the file has format %d, not %d", content.Version, formatVersion)
	}
	if content.UVFailures < 0 || content.UVFailures > maxUVRetries || content.PINLength < 0 ||
		content.MinPIN != 0 && (content.MinPIN < minPINLength || content.MinPIN > maxPINBytes) || len(content.Fingers) > maxFingers {
		return state{}, errors.New("softkey: the file's settings are damaged")
	}
	if content.PINRetries < 0 || content.PINRetries > maxPINRetries || len(content.PINHash) != 0 && len(content.PINHash) != 16 {
		return state{}, errors.New("softkey: the file's PIN state is damaged")
	}
	s := freshState()
	s.pinRetries, s.pinLength = content.PINRetries, content.PINLength
	s.uvRetries -= content.UVFailures
	s.minPINLength = max(minPINLength, content.MinPIN)
	s.minPINReaders, s.forcePINChange, s.alwaysUV = content.MinPINRPs, content.ForceChange, content.AlwaysUV
	if len(content.LargeBlobs) > maxLargeBlobs {
		return state{}, errors.New("softkey: the file's large blobs are damaged")
	}
	if len(content.LargeBlobs) > 0 {
		s.blobs = content.LargeBlobs
	}
	for _, f := range content.Fingers {
		s.fingers = append(s.fingers, finger(f))
	}
	if len(content.PINHash) != 0 {
		s.pinHash = content.PINHash
	}
	for _, c := range content.Credentials {
		signer, err := parseSigner(c.Algorithm, c.PrivateKey)
		if err != nil {
			return state{}, err
		}
		if len(c.ID) != credentialIDLength || c.RPID == "" || c.Protection < protectOptional || c.Protection > protectRequired || len(c.SecretUV) != len(c.SecretNoUV) || len(c.BlobKey) != 0 && len(c.BlobKey) != 32 {
			return state{}, errors.New("softkey: a credential in the file is damaged")
		}
		s.credentials = append(s.credentials, credential{
			ID: c.ID, RPID: c.RPID, UserID: c.UserID, UserName: c.UserName, DisplayName: c.DisplayName,
			Algorithm: c.Algorithm, Discoverable: c.Discoverable, Protection: c.Protection, Count: c.Count, signer: signer,
			secretUV: c.SecretUV, secretNoUV: c.SecretNoUV, blobKey: c.BlobKey,
		})
	}
	return s, nil
}

// save replaces the file in one step: whoever reads it, after a crash too, finds
// the old content or the new, never a part.
func (f *file) save(s *state) error {
	content := fileContent{
		Warning: warning, Version: formatVersion, Credentials: []fileCredential{},
		PINHash: s.pinHash, PINLength: s.pinLength, PINRetries: s.pinRetries, UVFailures: maxUVRetries - s.uvRetries,
		MinPIN: s.minPINLength, MinPINRPs: s.minPINReaders, ForceChange: s.forcePINChange, AlwaysUV: s.alwaysUV, LargeBlobs: s.blobs,
	}
	for _, f := range s.fingers {
		content.Fingers = append(content.Fingers, fileFinger(f))
	}
	for _, c := range s.credentials {
		der, err := marshalSigner(c.signer)
		if err != nil {
			return fmt.Errorf("softkey: writing a private key: %v", err)
		}
		content.Credentials = append(content.Credentials, fileCredential{
			ID: c.ID, RPID: c.RPID, UserID: c.UserID, UserName: c.UserName, DisplayName: c.DisplayName,
			Algorithm: c.Algorithm, Discoverable: c.Discoverable, Protection: c.Protection, Count: c.Count, PrivateKey: der,
			SecretUV: c.secretUV, SecretNoUV: c.secretNoUV, BlobKey: c.blobKey,
		})
	}
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("softkey: writing the key: %v", err)
	}
	// CreateTemp makes the file with mode 0600.
	temp, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return fmt.Errorf("softkey: writing the key: %v", err)
	}
	_, err = temp.Write(append(data, '\n'))
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		os.Remove(temp.Name())
		return fmt.Errorf("softkey: writing the key: %v", err)
	}
	return syncDir(filepath.Dir(f.path))
}
