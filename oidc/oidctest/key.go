package oidctest

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
)

// Key stands in for a security key at a [Provider] that does not verify
// signatures. The zero Key is touched at once. Its Get has the signature of
// authenticator.Client's.
type Key struct {
	// Touch waits for the touch, and may refuse it. Nil: touched at once.
	Touch func(ctx context.Context) error

	touches atomic.Int64
}

// Touches returns how often the key was asked.
func (k *Key) Touches() int { return int(k.touches.Load()) }

// Get answers a challenge the way a browser would, with a signature of nothing.
func (k *Key) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	k.touches.Add(1)
	if k.Touch != nil {
		if err := k.Touch(ctx); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var o struct {
		Challenge string `json:"challenge"`
	}
	if err := json.Unmarshal(options, &o); err != nil || o.Challenge == "" {
		return nil, errors.New("oidctest: not PublicKeyCredentialRequestOptionsJSON")
	}
	client, err := json.Marshal(clientData{Type: "webauthn.get", Challenge: o.Challenge, Origin: origin})
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"id": "AQ", "rawId": "AQ", "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": encode(client), "authenticatorData": "", "signature": ""},
	})
}

// clientData is CollectedClientData of WebAuthn Level 3 §5.8.1.
type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
}
