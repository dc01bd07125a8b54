package fido_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

type requestOptions struct {
	Challenge        string `json:"challenge"`
	Timeout          int64  `json:"timeout"`
	RPID             string `json:"rpId"`
	UserVerification string `json:"userVerification"`
	AllowCredentials []struct {
		Type       string   `json:"type"`
		ID         bytes64  `json:"id"`
		Transports []string `json:"transports"`
	} `json:"allowCredentials"`
}

func options(t *testing.T, c *fido.Ceremony) (o requestOptions) {
	t.Helper()
	require.NoError(t, json.Unmarshal(c.Options, &o))
	return o
}

func TestUnknownNamesLookLikeKnownOnes(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			rp := party(t, config(), store)
			key := newForge(t, fido.ES256)
			enrol(t, rp, ana, key)
			real := options(t, beginSignIn(t, rp, ana))
			require.Len(t, real.AllowCredentials, 1)
			require.Equal(t, key.id, []byte(real.AllowCredentials[0].ID))
			require.Len(t, real.Challenge, 43, "32 bytes")

			invited := "cyd@example.com" // known, and has no key yet
			_, _ = beginRegistration(t, rp, invited)
			seen := map[string]bool{}
			for _, stranger := range []string{"nobody@example.com", "NoBody2@example.com", "not an address", invited} {
				first := options(t, beginSignIn(t, rp, stranger))
				require.NotEmpty(t, first.AllowCredentials)
				for _, c := range first.AllowCredentials {
					require.Equal(t, "public-key", c.Type)
					require.Contains(t, []int{32, 48, 64}, len(c.ID))
					require.NotEmpty(t, c.Transports)
					require.False(t, seen[string(c.ID)], "each name has its own")
					seen[string(c.ID)] = true
				}
				again := options(t, beginSignIn(t, party(t, config(), store), stranger)) // after a restart, too
				require.Equal(t, first.AllowCredentials, again.AllowCredentials)
				require.NotEqual(t, first.Challenge, again.Challenge)
				require.Equal(t, real.Timeout, first.Timeout)
				require.Equal(t, real.UserVerification, first.UserVerification)

				_, err := signIn(t, rp, stranger, key)
				failsCheck(t, err, "credential")
				_, err = signIn(t, rp, stranger, key, func(d *draft) { d.id = first.AllowCredentials[0].ID })
				failsCheck(t, err, "credential")
			}
			upper := options(t, beginSignIn(t, rp, "NOBODY@example.com"))
			lower := options(t, beginSignIn(t, rp, "nobody@example.com"))
			require.Equal(t, lower.AllowCredentials, upper.AllowCredentials)
		})
	}
}

func TestDecoysDifferBetweenStoresAndVary(t *testing.T) {
	one, other := party(t, config(), fido.NewMemoryStore()), party(t, config(), fido.NewMemoryStore())
	require.NotEqual(t, options(t, beginSignIn(t, one, ben)).AllowCredentials, options(t, beginSignIn(t, other, ben)).AllowCredentials)
	shapes := map[string]int{}
	for i := range 200 {
		o := options(t, beginSignIn(t, one, fmt.Sprintf("user%d@example.com", i)))
		shapes[fmt.Sprint(len(o.AllowCredentials), len(o.AllowCredentials[0].ID), o.AllowCredentials[0].Transports)]++
	}
	require.Greater(t, len(shapes), 3, "%v", shapes)
	require.Contains(t, shapes, "1 32 [usb]", "what lakekey's own software key looks like")
}

func TestDiscoverableOptionsNameNobody(t *testing.T) {
	rp := party(t, config(), fido.NewMemoryStore())
	o := options(t, beginSignIn(t, rp, ""))
	require.Empty(t, o.AllowCredentials)
	require.Equal(t, "example.com", o.RPID)
	require.Equal(t, "required", o.UserVerification)
}

// called notes what is asked of a store.
type called struct {
	fido.Store
	methods []string
}

func (s *called) Credential(ctx context.Context, id []byte) (fido.Credential, error) {
	s.methods = append(s.methods, "Credential")
	return s.Store.Credential(ctx, id)
}

func (s *called) User(ctx context.Context, handle []byte) (fido.User, error) {
	s.methods = append(s.methods, "User")
	return s.Store.User(ctx, handle)
}

// A wrong signature is refused after the same work, whether the name that it is for
// is somebody's or nobody's.
func TestAWrongSignatureTakesTheSameWork(t *testing.T) {
	store := &called{Store: fido.NewMemoryStore()}
	rp := party(t, config(), store)
	key := newForge(t, fido.ES256)
	enrol(t, rp, ana, key)
	wrong := newForge(t, fido.ES256)
	work := map[string][]string{}
	for _, name := range []string{ana, "nobody@example.com"} {
		c := beginSignIn(t, rp, name)
		store.methods = nil
		response := wrong.assert(t, c.Options, func(d *draft) { d.id, d.handle = options(t, c).AllowCredentials[0].ID, nil })
		_, err := rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, response)
		require.Error(t, err)
		work[name] = store.methods
	}
	require.Equal(t, []string{"Credential", "User"}, work[ana])
	require.Equal(t, work[ana], work["nobody@example.com"])
}
