package authenticator

import (
	"bytes"
	"context"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Configurator is a Device whose owner decides how strict it is. None of it can be
// taken back without a reset, but for AlwaysUV.
type Configurator interface {
	Device
	// ToggleAlwaysUV turns Info.Options["alwaysUv"] on or off: whether the key verifies
	// its user whatever a relying party asks for.
	ToggleAlwaysUV(ctx context.Context, pin []byte) error
	// SetMinPINLength raises the least length of a PIN, in characters; 0 leaves it.
	// readers are the RP IDs that may learn it by the minPinLength extension; nil leaves
	// them. A PIN that is too short, and with forceChange any, must be changed before it
	// serves for anything else.
	SetMinPINLength(ctx context.Context, pin []byte, length int, readers []string, forceChange bool) error
	// EnableEnterpriseAttestation lets the key tell its serial number to the relying
	// parties that its maker has written into it. Keys of which Info.Options has no "ep"
	// cannot.
	EnableEnterpriseAttestation(ctx context.Context, pin []byte) error
}

// Subcommands of authenticatorConfig, CTAP 2.1 §6.11.
const (
	subEnterpriseAttestation = 0x01
	subToggleAlwaysUV        = 0x02
	subSetMinPINLength       = 0x03
)

type wireConfig struct {
	Subcommand int             `cbor:"1,keyasint"`
	Params     cbor.RawMessage `cbor:"2,keyasint,omitempty"`
	Protocol   int             `cbor:"3,keyasint,omitempty"`
	Proof      []byte          `cbor:"4,keyasint,omitempty"`
}

type wireMinPINLength struct {
	Length      int      `cbor:"1,keyasint,omitempty"`
	Readers     []string `cbor:"2,keyasint,omitempty"`
	ForceChange bool     `cbor:"3,keyasint,omitempty"`
}

func (d *ctap2) ToggleAlwaysUV(ctx context.Context, pin []byte) error {
	return d.configure(ctx, pin, "alwaysUv", subToggleAlwaysUV, nil)
}

func (d *ctap2) SetMinPINLength(ctx context.Context, pin []byte, length int, readers []string, forceChange bool) error {
	return d.configure(ctx, pin, "setMinPINLength", subSetMinPINLength, &wireMinPINLength{length, readers, forceChange})
}

func (d *ctap2) EnableEnterpriseAttestation(ctx context.Context, pin []byte) error {
	return d.configure(ctx, pin, "ep", subEnterpriseAttestation, nil)
}

// configure runs one subcommand. option is what a key that knows it has in its options,
// be it false.
func (d *ctap2) configure(ctx context.Context, pin []byte, option string, subcommand int, params *wireMinPINLength) error {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	info, err := d.info(ctx, codec)
	if err != nil {
		return err
	}
	if _, able := info.Options[option]; !able || !info.Options["authnrCfg"] {
		return fmt.Errorf("authenticator: this key has no %s to configure", option)
	}
	request := &wireConfig{Subcommand: subcommand}
	// "authenticate(pinUvAuthToken, 32×0xff || 0x0d || uint8(subCommand) || subCommandParams)"
	message := append(bytes.Repeat([]byte{0xFF}, 32), cmdConfig, byte(subcommand))
	if params != nil {
		if request.Params, err = codec.enc.Marshal(params); err != nil {
			return fmt.Errorf("authenticator: encoding a command: %v", err)
		}
		message = append(message, request.Params...)
	}
	// "If the authenticator is not protected by some form of user verification", there
	// is nobody to ask.
	if pin != nil || info.Options["clientPin"] || info.Options["uv"] {
		auth, err := d.ownerToken(ctx, codec, info, pin, permitConfig)
		if err != nil {
			return err
		}
		defer auth.wipe()
		request.Proof, request.Protocol = auth.proof(message)
	}
	d.limits = nil // what it says about itself changes
	if _, err := d.call(ctx, codec, cmdConfig, request); err != nil {
		return fmt.Errorf("configuring the key: %w", err)
	}
	return nil
}
