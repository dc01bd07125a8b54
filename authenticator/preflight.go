package authenticator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// seeker is a Device that can tell in silence whether it holds a credential.
type seeker interface {
	holds(ctx context.Context, rpID string, ids [][]byte) (bool, error)
}

// holds reports whether the key has one of the credentials, or, without IDs, any
// discoverable one. What credProtect hides until the user is verified is not seen.
func (d *ctap2) holds(ctx context.Context, rpID string, ids [][]byte) (bool, error) {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	info, err := d.static(ctx, codec)
	if err != nil {
		return false, err
	}
	if d.u2f != nil {
		id, err := d.u2f.own(ctx, rpID, ids)
		return id != nil, err
	}
	if len(ids) == 0 {
		_, err := d.silently(ctx, codec, nil, rpID, nil)
		if errors.Is(err, ErrNoCredentials) {
			return false, nil
		}
		return err == nil, err
	}
	found, err := d.present(ctx, codec, info, nil, rpID, ids)
	return len(found) > 0, err
}

// present asks the key, in silence and a part at a time, which of the credentials
// are its own, and returns the first part's answer that names one.
func (d *ctap2) present(ctx context.Context, codec *ctapCBOR, info *Info, auth *authorization, rpID string, ids [][]byte) ([][]byte, error) {
	for _, chunk := range info.chunks(ids) {
		found, err := d.silently(ctx, codec, auth, rpID, chunk)
		switch {
		case errors.Is(err, ErrNoCredentials):
			continue
		case err != nil:
			return nil, err
		case found.Credential == nil:
			return chunk[:1], nil // omitted only when one was asked for
		case !contains(chunk, found.Credential.ID):
			return nil, malformed("an assertion by a credential that was not asked for")
		}
		return [][]byte{found.Credential.ID}, nil
	}
	return nil, nil
}

// silently signs without a touch. The signature is over zeros: nothing that a
// relying party would accept.
func (d *ctap2) silently(ctx context.Context, codec *ctapCBOR, auth *authorization, rpID string, ids [][]byte) (*wireAssertion, error) {
	hash := make([]byte, 32)
	wire := &wireAssertionRequest{
		RPID: rpID, ClientDataHash: hash, Allow: wireDescriptors(ids), Options: map[string]bool{"up": false},
	}
	wire.PINAuth, wire.PINProtocol = auth.proof(hash)
	response, err := d.call(ctx, codec, cmdGetAssertion, wire)
	if err != nil {
		return nil, fmt.Errorf("looking for a credential: %w", err)
	}
	found, err := parse[wireAssertion](codec, response, "an assertion")
	if err != nil {
		return nil, err
	}
	return &found, nil
}

const (
	// "maxMsgSize … If not present … 1024" (CTAP 2.1 §6.4).
	defaultMessageSize = 1024
	// What of a message is left to a credential list beside hash, RP ID and proof,
	// and what CBOR takes around each ID.
	messageOverhead    = 400
	descriptorOverhead = 24
)

// chunks cuts a credential list into parts that a key accepts, without the IDs that
// are too long to be its own.
func (i *Info) chunks(ids [][]byte) [][][]byte {
	limit := i.MaxMessageSize
	if limit == 0 {
		limit = defaultMessageSize
	}
	var parts [][][]byte
	room, count := 0, 0
	for _, id := range ids {
		if i.MaxCredentialIDLength > 0 && len(id) > i.MaxCredentialIDLength {
			continue
		}
		size := len(id) + descriptorOverhead
		if len(parts) == 0 || size > room || i.MaxCredentialCount > 0 && count >= i.MaxCredentialCount {
			parts = append(parts, nil)
			room, count = limit-messageOverhead, 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], id)
		room, count = room-size, count+1
	}
	return parts
}

// overfull reports whether a credential list cannot be sent as it is.
func (i *Info) overfull(ids [][]byte) bool {
	if len(ids) == 0 {
		return false
	}
	parts := i.chunks(ids)
	return len(parts) != 1 || len(parts[0]) != len(ids)
}

func contains(list [][]byte, id []byte) bool {
	return slices.ContainsFunc(list, func(other []byte) bool { return bytes.Equal(other, id) })
}
