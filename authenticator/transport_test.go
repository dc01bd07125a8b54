package authenticator_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
)

// tamper changes what a key answers.
type tamper struct {
	authenticator.Transport
	change func(command byte, response []byte) []byte
}

func (x tamper) CBOR(ctx context.Context, msg []byte) ([]byte, error) {
	command := msg[0]
	response, err := x.Transport.CBOR(ctx, msg)
	if err != nil {
		return nil, err
	}
	return x.change(command, response), nil
}

// transportFunc is a key in a function.
type transportFunc func(ctx context.Context, msg []byte) ([]byte, error)

func (f transportFunc) CBOR(ctx context.Context, msg []byte) ([]byte, error) { return f(ctx, msg) }

type attestation struct {
	Fmt      string `cbor:"fmt"`
	AuthData []byte `cbor:"authData"`
	AttStmt  struct {
		Sig []byte   `cbor:"sig"`
		X5C [][]byte `cbor:"x5c"`
	} `cbor:"attStmt"`
}

func attestationObject(t *testing.T, response []byte) (a attestation) {
	t.Helper()
	require.NoError(t, cbor.Unmarshal(must(base64.RawURLEncoding.DecodeString(responseMember(t, response, "attestationObject"))), &a))
	return a
}

func attestationFormat(t *testing.T, response []byte) string {
	t.Helper()
	return attestationObject(t, response).Fmt
}

// responseMember returns a text of a response's inner object.
func responseMember(t *testing.T, response []byte, name string) string {
	t.Helper()
	var o struct{ Response map[string]any }
	require.NoError(t, json.Unmarshal(response, &o))
	text, isText := o.Response[name].(string)
	require.True(t, isText, name)
	return text
}

func bytesReplaced(b []byte, old, replacement string) []byte {
	if !bytes.Contains(b, []byte(old)) {
		panic("nothing to replace")
	}
	return bytes.Replace(b, []byte(old), []byte(replacement), 1)
}
