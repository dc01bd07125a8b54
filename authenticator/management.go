package authenticator

import (
	"context"
	"errors"
	"fmt"
)

// What the owner of a key does with it. The Devices made by [NewCTAP2] implement all
// of these interfaces; a key that lacks a feature answers with an error.
//
// pin authorises the operation and stays the caller's; where it is nil the key's own
// sensor does. Errors are those of [Device].

// PINManager is a Device whose PIN can be set.
type PINManager interface {
	Device
	// SetPIN gives a PIN to a key that has none. A PIN has at least
	// Info.MinPINLength characters and at most 63 bytes in UTF-8 (NFC).
	SetPIN(ctx context.Context, pin []byte) error
	// ChangePIN replaces the PIN.
	ChangePIN(ctx context.Context, current, pin []byte) error
}

// CredentialManager is a Device that lists what it stores. Credentials that are not
// discoverable are not stored on a key and not listed.
type CredentialManager interface {
	Device
	Credentials(ctx context.Context, pin []byte) ([]StoredCredential, error)
	DeleteCredential(ctx context.Context, pin, credentialID []byte) error
	// UpdateUser changes the names of an account; user.ID must be the account's.
	UpdateUser(ctx context.Context, pin, credentialID []byte, user User) error
}

// StoredCredential is a discoverable credential.
type StoredCredential struct {
	ID          []byte
	RPID        string
	User        User
	Algorithm   int // COSE identifier
	CredProtect int // 0: not said
}

// FingerprintManager is a Device with a sensor.
type FingerprintManager interface {
	Device
	Fingerprints(ctx context.Context, pin []byte) ([]Fingerprint, error)
	// EnrollFingerprint takes samples of a finger until the key has enough.
	// progress may be nil; it is called after each sample with how many are
	// missing and what was wrong with this one, "" if nothing.
	EnrollFingerprint(ctx context.Context, pin []byte, name string, progress func(missing int, defect string)) (Fingerprint, error)
	RenameFingerprint(ctx context.Context, pin []byte, f Fingerprint) error
	DeleteFingerprint(ctx context.Context, pin, id []byte) error
}

// Fingerprint is an enrolled finger.
type Fingerprint struct {
	ID   []byte
	Name string
}

// Resetter is a Device that can forget everything.
type Resetter interface {
	Device
	// Reset deletes the PIN and all credentials, also those that are not stored
	// on the key. Keys allow it only shortly after they were plugged in (10
	// seconds) and want a touch: otherwise the error is Status(0x30).
	Reset(ctx context.Context) error
}

func (d *ctap2) Reset(ctx context.Context) error {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	d.limits = nil
	_, err = d.call(ctx, codec, cmdReset, nil)
	if errors.Is(err, statusNotAllowed) {
		return fmt.Errorf("resetting the key, which is allowed only within ten seconds after it was plugged in: %w", err)
	}
	if err != nil {
		return fmt.Errorf("resetting the key: %w", err)
	}
	return nil
}

// manager is a key with a token for key management.
type manager struct {
	device *ctap2
	codec  *ctapCBOR
	auth   *authorization
}

// manager gets a token with one permission for all RP IDs. The caller calls end.
func (d *ctap2) manager(ctx context.Context, pin []byte, permission int, supported func(*Info) error) (m *manager, end func(), err error) {
	codec, release, err := d.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	info, err := d.info(ctx, codec)
	if err == nil {
		err = supported(info)
	}
	var auth *authorization
	if err == nil {
		auth, err = d.ownerToken(ctx, codec, info, pin, permission)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return &manager{device: d, codec: codec, auth: auth}, func() { auth.wipe(); release() }, nil
}

// ownerToken gets a token with one permission for all RP IDs. The caller wipes it.
func (d *ctap2) ownerToken(ctx context.Context, codec *ctapCBOR, info *Info, pin []byte, permission int) (*authorization, error) {
	if pin == nil && !info.Options["uv"] {
		if !info.Options["clientPin"] {
			return nil, ErrPINNotSet
		}
		return nil, ErrPINRequired
	}
	auth, err := d.authorize(ctx, codec, info, pin, permission, "")
	if err == nil && auth == nil {
		err = ErrPINRequired
	}
	return auth, err
}
