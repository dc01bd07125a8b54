package mds

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"time"
)

// ParseOptions say what a blob is verified against.
type ParseOptions struct {
	// Roots are the certificates that the signer must chain to. Empty means the
	// roots that the FIDO Alliance names, which are embedded.
	Roots []*x509.Certificate

	// Hosts are the names of which the signer's certificate must bear one. Empty
	// means those of the FIDO Alliance's service.
	Hosts []string

	// Now is the time at which the certificates must be valid. Zero means now.
	Now time.Time
}

// Blob is a verified metadata BLOB. It does not change and is safe for
// concurrent use.
type Blob struct {
	Number      int       // grows with every blob
	NextUpdate  time.Time // when the next one is due at the latest
	LegalHeader string    // the terms under which the blob may be used
	Digest      [32]byte  // SHA-256 of the blob as it was signed and sent

	// Problems are the parts that could not be used. One broken entry says nothing
	// about the others.
	Problems []Problem

	entries []*Entry
	aaguid  map[[16]byte]*Entry
	key     map[[20]byte]*Entry
	chain   []*x509.Certificate // the signer's, to the root
}

// Problem is a part of a blob that could not be used.
type Problem struct {
	Index  int    // of the entry in the blob
	Entry  string // its AAGUID, key identifier or AAID, as far as it could be read
	Detail string
}

func (p Problem) String() string {
	return fmt.Sprintf("entry %d (%s): %s", p.Index, p.Entry, p.Detail)
}

// Parse verifies a metadata BLOB, a JWT in compact serialization, and reads it.
// It does no input or output: whether the blob is newer than others, in time and
// its signer not revoked is what a [Source] looks after.
// Errors are of type [*VerificationError].
func Parse(blob []byte, o ParseOptions) (*Blob, error) {
	if len(o.Roots) == 0 {
		var err error
		if o.Roots, err = pinnedRoots(); err != nil {
			return nil, err
		}
	}
	if len(o.Hosts) == 0 {
		o.Hosts = fidoHosts
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	j, err := splitJWS(blob)
	if err != nil {
		return nil, err
	}
	chain, err := verifyChain(j.chain, o.Roots, o.Hosts, o.Now)
	if err != nil {
		return nil, err
	}
	if err := j.verify(); err != nil {
		return nil, err
	}
	b, err := readPayload(j.payload)
	if err != nil {
		return nil, err
	}
	b.chain, b.Digest = chain, sha256.Sum256(blob)
	return b, nil
}

// Entry returns what is known about a FIDO2 model.
func (b *Blob) Entry(aaguid [16]byte) (*Entry, bool) {
	e, ok := b.aaguid[aaguid]
	return e, ok
}

// EntryByKeyIdentifier returns what is known about the U2F model whose
// attestation certificate has this key: the SHA-1 of the BIT STRING of its
// public key, method 1 of RFC 5280 §4.2.1.2.
func (b *Blob) EntryByKeyIdentifier(ski []byte) (*Entry, bool) {
	if len(ski) != 20 {
		return nil, false
	}
	e, ok := b.key[[20]byte(ski)]
	return e, ok
}

// Len returns the number of entries that could be read.
func (b *Blob) Len() int { return len(b.entries) }

// All returns every entry in the order of the blob.
func (b *Blob) All() iter.Seq[*Entry] { return slices.Values(b.entries) }

func (b *Blob) problem(index int, entry, format string, args ...any) {
	b.Problems = append(b.Problems, Problem{index, entry, fmt.Sprintf(format, args...)})
}

// index makes the entry findable. The standard does not say what two entries for
// one model mean; the one that reports a compromise is taken, for the other could
// only hide it.
func (b *Blob) index(at int, e *Entry) {
	if e.AAGUID != ([16]byte{}) {
		b.aaguid[e.AAGUID] = b.prefer(b.aaguid[e.AAGUID], e, at, "AAGUID "+formatAAGUID(e.AAGUID))
	}
	for _, id := range e.KeyIdentifiers {
		b.key[id] = b.prefer(b.key[id], e, at, "key identifier "+hex.EncodeToString(id[:]))
	}
}

func (b *Blob) prefer(old, e *Entry, at int, name string) *Entry {
	if old == nil || old == e {
		return e
	}
	b.problem(at, name, "an earlier entry has the same name")
	if e.compromised() && !old.compromised() {
		return e
	}
	return old
}

func formatAAGUID(a [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", a[:4], a[4:6], a[6:8], a[8:10], a[10:])
}
