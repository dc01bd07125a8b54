package authenticator_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// A refused origin never reaches a key.
func TestRefusedOriginWakesNoKey(t *testing.T) {
	key := newKey(t, softkey.Options{})
	ui := &person{}
	client := clientOf(ui, key)
	_, err := client.Create(t.Context(), "https://example.com.evil.org", example.creation())
	require.ErrorIs(t, err, authenticator.ErrOrigin)
	_, err = client.Get(t.Context(), "https://example.com.evil.org", example.request())
	require.ErrorIs(t, err, authenticator.ErrOrigin)
	require.Zero(t, key.Touches())
	require.Empty(t, ui.prompts)
}
