package mds

import "crypto/x509"

// SignedBy verifies only the signature and returns the certificates in the header.
func SignedBy(blob []byte) ([]*x509.Certificate, error) {
	j, err := splitJWS(blob)
	if err != nil {
		return nil, err
	}
	return j.chain, j.verify()
}

// Payload reads a payload without verifying anything.
func Payload(blob []byte) (*Blob, error) {
	j, err := splitJWS(blob)
	if err != nil {
		return nil, err
	}
	return readPayload(j.payload)
}

var (
	PinnedRoots = pinnedRoots
	DigestOf    = digestOf
	ReadPayload = readPayload
	Listed      = listed
)
