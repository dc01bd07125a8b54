package winhello

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lakekey/lakekey/authenticator"
)

const publicKeyType = "public-key"

type base64URL []byte

func (b *base64URL) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return err
	}
	*b = raw
	return nil
}

func (b base64URL) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString(b))
}

type descriptorJSON struct {
	Type string    `json:"type"`
	ID   base64URL `json:"id"`
}

// options are those of Create and of Get, as far as Windows is told of them. RP ID,
// origin and challenge are none of these: they come from
// authenticator.CollectClientData, so that they are read once.
type options struct {
	RP struct {
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          base64URL `json:"id"`
		Name        string    `json:"name"`
		DisplayName string    `json:"displayName"`
	} `json:"user"`
	PubKeyCredParams []struct {
		Type string `json:"type"`
		Alg  int64  `json:"alg"`
	} `json:"pubKeyCredParams"`
	Timeout                float64          `json:"timeout"`
	ExcludeCredentials     []descriptorJSON `json:"excludeCredentials"`
	AllowCredentials       []descriptorJSON `json:"allowCredentials"`
	AuthenticatorSelection struct {
		Attachment         string `json:"authenticatorAttachment"`
		ResidentKey        string `json:"residentKey"`
		RequireResidentKey bool   `json:"requireResidentKey"`
		UserVerification   string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Attestation      string `json:"attestation"`
	UserVerification string `json:"userVerification"`
	Extensions       struct {
		CredProps bool `json:"credProps"`
	} `json:"extensions"`
}

// creation and assertion are what Windows is asked for.
type creation struct {
	client            *authenticator.ClientData
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
	client       *authenticator.ClientData
	allow        [][]byte
	verification uint32
	timeout      time.Duration
}

func parseOptions(data []byte) (*options, error) {
	var wrapper struct {
		PublicKey json.RawMessage `json:"publicKey"`
	}
	if err := json.Unmarshal(data, &wrapper); err != nil {
		return nil, fmt.Errorf("winhello: the options do not parse: %v", err)
	}
	if wrapper.PublicKey != nil {
		data = wrapper.PublicKey
	}
	var o options
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, fmt.Errorf("winhello: the options do not parse: %v", err)
	}
	return &o, nil
}

// newCreation follows https://www.w3.org/TR/webauthn-3/#sctn-createCredential.
func newCreation(client *authenticator.ClientData, o *options) (*creation, error) {
	if len(o.User.ID) == 0 || len(o.User.ID) > 64 {
		return nil, errors.New("winhello: the options' user.id is not between 1 and 64 bytes long")
	}
	exclude, err := credentialIDs(o.ExcludeCredentials)
	if err != nil {
		return nil, err
	}
	c := &creation{
		client: client, rpName: o.RP.Name, userID: o.User.ID, userName: o.User.Name, display: o.User.DisplayName,
		algorithms: []int32{-7, -257}, exclude: exclude, timeout: timeout(o.Timeout), credProps: o.Extensions.CredProps,
		verification: verification(o.AuthenticatorSelection.UserVerification), conveyance: conveyanceNone,
	}
	if c.rpName == "" {
		c.rpName = client.RPID // Windows wants one
	}
	if len(o.PubKeyCredParams) > 0 {
		c.algorithms = nil
	}
	for _, p := range o.PubKeyCredParams {
		if p.Type == publicKeyType && p.Alg >= math.MinInt32 && p.Alg <= math.MaxInt32 {
			c.algorithms = append(c.algorithms, int32(p.Alg))
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

func newAssertion(client *authenticator.ClientData, o *options) (*assertion, error) {
	allow, err := credentialIDs(o.AllowCredentials)
	if err != nil {
		return nil, err
	}
	// A list in which nothing is usable does not turn into no list, which would
	// mean any credential.
	if len(allow) == 0 && len(o.AllowCredentials) > 0 {
		return nil, fmt.Errorf("reading the options: %w", authenticator.ErrNoCredentials)
	}
	return &assertion{client: client, allow: allow, verification: verification(o.UserVerification), timeout: timeout(o.Timeout)}, nil
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

func credentialIDs(list []descriptorJSON) ([][]byte, error) {
	var ids [][]byte
	for _, d := range list {
		if d.Type != publicKeyType {
			continue
		}
		if len(d.ID) == 0 {
			return nil, errors.New("winhello: the options list a credential without an ID")
		}
		ids = append(ids, d.ID)
	}
	return ids, nil
}

const (
	defaultTimeout = 5 * time.Minute
	minTimeout     = 15 * time.Second
	maxTimeout     = 10 * time.Minute
)

// timeout keeps the relying party's hint within what a person can follow.
func timeout(ms float64) time.Duration {
	switch {
	case !(ms > 0):
		return defaultTimeout
	case ms >= float64(maxTimeout/time.Millisecond):
		return maxTimeout
	default:
		return max(minTimeout, time.Duration(ms)*time.Millisecond)
	}
}
