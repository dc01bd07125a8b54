package mds

import (
	"crypto/x509"
	_ "embed"
	"fmt"
)

// The roots that the FIDO Alliance names for its metadata,
// https://fidoalliance.org/metadata/. Both are public authorities of GlobalSign,
// which is why a signer must also bear the name of the service.
//
// Blobs were signed under R3 until August 2026 and are signed under R46 since.
// R3 stays: copies of older blobs chain to it, and the service has shipped R46
// cross-signed by it.
var (
	// GlobalSign Root CA - R3, valid until 2029-03-18. SHA-256 of the DER:
	// cbb522d7b7f127ad6a0113865bdf1cd4102e7d0759af635a7cf4720dc963c53b
	//go:embed roots/globalsign-r3.der
	globalSignR3 []byte

	// GlobalSign Root R46, valid until 2046-03-20. SHA-256 of the DER:
	// 4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9
	//go:embed roots/globalsign-r46.der
	globalSignR46 []byte
)

// pinnedRoots returns the certificates that a blob must chain to when its reader
// names no others.
func pinnedRoots() ([]*x509.Certificate, error) {
	var roots []*x509.Certificate
	for _, der := range [][]byte{globalSignR3, globalSignR46} {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("mds: the embedded root cannot be read: %v", err)
		}
		roots = append(roots, c)
	}
	return roots, nil
}
