package authenticator

import (
	"context"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Subcommands of authenticatorCredentialManagement, CTAP 2.1 §6.8.
const (
	subFirstRP         = 0x02
	subNextRP          = 0x03
	subFirstCredential = 0x04
	subNextCredential  = 0x05
	subDelete          = 0x06
	subUpdateUser      = 0x07
)

type wireManagement struct {
	Subcommand int             `cbor:"1,keyasint"`
	Params     cbor.RawMessage `cbor:"2,keyasint,omitempty"`
	Protocol   int             `cbor:"3,keyasint,omitempty"`
	Proof      []byte          `cbor:"4,keyasint,omitempty"`
}

type wireManagementParams struct {
	RPIDHash   []byte          `cbor:"1,keyasint,omitempty"`
	Credential *wireDescriptor `cbor:"2,keyasint,omitempty"`
	User       *wireUser       `cbor:"3,keyasint,omitempty"`
}

type wireManaged struct {
	RP          *wireRP         `cbor:"3,keyasint"`
	RPIDHash    []byte          `cbor:"4,keyasint"`
	TotalRPs    int             `cbor:"5,keyasint"`
	User        *wireUser       `cbor:"6,keyasint"`
	Credential  *wireDescriptor `cbor:"7,keyasint"`
	PublicKey   cbor.RawMessage `cbor:"8,keyasint"`
	Total       int             `cbor:"9,keyasint"`
	CredProtect int             `cbor:"10,keyasint"`
}

// credentials runs one subcommand. Those that go on with a listing carry no proof.
func (m *manager) credentials(ctx context.Context, subcommand int, params *wireManagementParams) (*wireManaged, error) {
	request := &wireManagement{Subcommand: subcommand}
	if subcommand != subNextRP && subcommand != subNextCredential {
		message := []byte{byte(subcommand)}
		if params != nil {
			encoded, err := m.codec.enc.Marshal(params)
			if err != nil {
				return nil, fmt.Errorf("authenticator: encoding a command: %v", err)
			}
			request.Params = encoded
			message = append(message, encoded...)
		}
		request.Proof, request.Protocol = m.auth.proof(message)
	}
	command := byte(cmdCredentials)
	if !m.device.limits.Options["credMgmt"] {
		command = cmdCredentialsPreview
	}
	response, err := m.device.call(ctx, m.codec, command, request)
	if err != nil {
		return nil, err
	}
	if len(response) == 0 { // deleting and renaming answer with nothing
		return &wireManaged{}, nil
	}
	managed, err := parse[wireManaged](m.codec, response, "a stored credential")
	return &managed, err
}

// maxStored bounds what a key may say that it stores: keys store some hundred.
const maxStored = 2000

func managesCredentials(info *Info) error {
	if !info.Options["credMgmt"] && !info.Options["credentialMgmtPreview"] {
		return errors.New("authenticator: this key does not tell what it stores")
	}
	return nil
}

func (d *ctap2) Credentials(ctx context.Context, pin []byte) ([]StoredCredential, error) {
	m, end, err := d.manager(ctx, pin, permitCredentialManagement, managesCredentials)
	if err != nil {
		return nil, err
	}
	defer end()
	parties, err := m.relyingParties(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing relying parties: %w", err)
	}
	var all []StoredCredential
	for _, party := range parties {
		of, err := m.credentialsOf(ctx, party)
		if err != nil {
			return nil, fmt.Errorf("listing credentials: %w", err)
		}
		if all = append(all, of...); len(all) > maxStored {
			return nil, malformed("a number of credentials")
		}
	}
	return all, nil
}

func (m *manager) relyingParties(ctx context.Context) ([]*wireManaged, error) {
	first, err := m.credentials(ctx, subFirstRP, nil)
	if errors.Is(err, ErrNoCredentials) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Some keys answer with success and a total of 0.
	if first.TotalRPs == 0 {
		return nil, nil
	}
	parties := []*wireManaged{first}
	for len(parties) < first.TotalRPs {
		next, err := m.credentials(ctx, subNextRP, nil)
		if err != nil {
			return nil, err
		}
		parties = append(parties, next)
		if len(parties) > maxAssertions {
			return nil, malformed("a number of relying parties")
		}
	}
	for _, p := range parties {
		if p.RP == nil || len(p.RPIDHash) != 32 {
			return nil, malformed("a relying party")
		}
	}
	return parties, nil
}

func (m *manager) credentialsOf(ctx context.Context, party *wireManaged) ([]StoredCredential, error) {
	next, err := m.credentials(ctx, subFirstCredential, &wireManagementParams{RPIDHash: party.RPIDHash})
	if err != nil {
		return nil, err
	}
	total := next.Total
	if total < 1 || total > maxAssertions {
		return nil, malformed("a number of credentials")
	}
	var all []StoredCredential
	for {
		if next.Credential == nil || len(next.Credential.ID) == 0 || next.User == nil || len(next.User.ID) > 64 {
			return nil, malformed("a stored credential")
		}
		key, err := parse[wireAlgorithmOf](m.codec, next.PublicKey, "a public key")
		if err != nil {
			return nil, err
		}
		all = append(all, StoredCredential{
			ID: next.Credential.ID, RPID: party.RP.ID, User: User(*next.User), Algorithm: key.Alg, CredProtect: next.CredProtect,
		})
		if len(all) == total {
			return all, nil
		}
		if next, err = m.credentials(ctx, subNextCredential, nil); err != nil {
			return nil, err
		}
	}
}

func (d *ctap2) DeleteCredential(ctx context.Context, pin, credentialID []byte) error {
	m, end, err := d.manager(ctx, pin, permitCredentialManagement, managesCredentials)
	if err != nil {
		return err
	}
	defer end()
	params := &wireManagementParams{Credential: &wireDescriptor{ID: credentialID, Type: publicKeyType}}
	if _, err := m.credentials(ctx, subDelete, params); err != nil {
		return fmt.Errorf("deleting the credential: %w", err)
	}
	return nil
}

func (d *ctap2) UpdateUser(ctx context.Context, pin, credentialID []byte, user User) error {
	m, end, err := d.manager(ctx, pin, permitCredentialManagement, managesCredentials)
	if err != nil {
		return err
	}
	defer end()
	renamed := wireUser(user)
	params := &wireManagementParams{Credential: &wireDescriptor{ID: credentialID, Type: publicKeyType}, User: &renamed}
	if _, err := m.credentials(ctx, subUpdateUser, params); err != nil {
		return fmt.Errorf("renaming the account: %w", err)
	}
	return nil
}
