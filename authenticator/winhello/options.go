package winhello

import (
	"fmt"
	"math"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// creation and assertion are what Windows is asked for.
type creation struct {
	client            webauthn.ClientData
	rpName            string
	userID            []byte
	userName, display string
	algorithms        []int32
	exclude           [][]byte
	attachment        uint32
	verification      uint32
	conveyance        uint32
	requireResident   bool
	preferResident    bool
	timeout           time.Duration
	credProps         bool
}

type assertion struct {
	client       webauthn.ClientData
	allow        [][]byte
	verification uint32
	timeout      time.Duration
}

// newCreation reads the options of a registration.
func newCreation(origin string, options []byte) (*creation, error) {
	asked, err := webauthn.ReadCreation(origin, options)
	if err != nil {
		return nil, err
	}
	o := asked.Options
	var extensions struct {
		CredProps bool `json:"credProps"`
	}
	if err := webauthn.ReadExtensions(o.Extensions, &extensions); err != nil {
		return nil, err
	}
	c := &creation{
		client: asked.ClientData, rpName: o.RP.Name, userID: o.User.ID, userName: o.User.Name, display: o.User.DisplayName,
		exclude: asked.Exclude, timeout: asked.Timeout, credProps: extensions.CredProps,
		verification: verification(o.AuthenticatorSelection.UserVerification), conveyance: conveyanceNone,
	}
	if c.rpName == "" {
		c.rpName = asked.RPID // Windows wants one
	}
	for _, alg := range asked.Algorithms {
		if alg >= math.MinInt32 && alg <= math.MaxInt32 {
			c.algorithms = append(c.algorithms, int32(alg))
		}
	}
	if len(c.algorithms) == 0 {
		return nil, fmt.Errorf("reading the options: %w", authenticator.ErrUnsupportedAlgorithm)
	}
	switch o.AuthenticatorSelection.Attachment {
	case "platform":
		c.attachment = attachmentPlatform
	case "cross-platform":
		c.attachment = attachmentCrossPlatform
	}
	switch o.AuthenticatorSelection.ResidentKey {
	case "required":
		c.requireResident = true
	case "preferred":
		c.preferResident = true
	case "discouraged":
	default:
		c.requireResident = o.AuthenticatorSelection.RequireResidentKey
	}
	switch o.Attestation {
	case "indirect":
		c.conveyance = conveyanceIndirect
	case "direct", "enterprise":
		c.conveyance = conveyanceDirect
	}
	return c, nil
}

// newAssertion reads the options of a sign-in.
func newAssertion(origin string, options []byte) (*assertion, error) {
	asked, err := webauthn.ReadRequest(origin, options)
	if err != nil {
		return nil, err
	}
	if asked.NoneUsable {
		return nil, fmt.Errorf("reading the options: %w", authenticator.ErrNoCredentials)
	}
	return &assertion{client: asked.ClientData, allow: asked.Allow, verification: verification(asked.Options.UserVerification), timeout: asked.Timeout}, nil
}

func verification(s string) uint32 {
	switch s {
	case "required":
		return verificationRequired
	case "discouraged":
		return verificationDiscouraged
	default:
		return verificationPreferred
	}
}
