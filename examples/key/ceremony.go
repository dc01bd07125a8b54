package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/lakekey/lakekey/authenticator"
)

// base64URL is what WebAuthn's JSON encodes bytes in.
type base64URL []byte

func (b base64URL) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

func (b *base64URL) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

// registered is what register prints and sign reads: what a relying party keeps.
type registered struct {
	RP           string    `json:"rp"`
	CredentialID base64URL `json:"credential_id"`
	PublicKey    base64URL `json:"public_key"` // DER SubjectPublicKeyInfo
	Algorithm    int       `json:"algorithm"`  // COSE identifier
	User         string    `json:"user"`
}

// party is the throw-away relying party. It lives as long as the program: what it
// keeps of a registration is what register prints.
func (p *program) party() (origin string) {
	if p.rp == "localhost" {
		return "http://localhost"
	}
	return "https://" + p.rp
}

// client returns a Client of every key that the flags name.
func (p *program) client() (*authenticator.Client, func(), error) {
	source, done, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	return authenticator.NewClient(source, authenticator.Options{UI: p.console}), done, nil
}

type object = map[string]any

func random(n int) base64URL {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (p *program) register(ctx context.Context) error {
	client, done, err := p.client()
	if err != nil {
		return err
	}
	defer done()
	name := p.name
	if name == "" {
		name = "somebody"
	}
	resident := "discouraged"
	if p.resident {
		resident = "required"
	}
	options, err := json.Marshal(object{
		"rp": object{"id": p.rp, "name": p.rp}, "user": object{"id": random(16), "name": name, "displayName": name},
		"challenge":              random(32),
		"pubKeyCredParams":       []object{{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -8}},
		"authenticatorSelection": object{"residentKey": resident, "userVerification": "preferred"},
	})
	if err != nil {
		return err
	}
	response, err := client.Create(ctx, p.party(), options)
	if err != nil {
		return err
	}
	var made struct {
		ID       base64URL
		Response struct {
			PublicKey          base64URL
			PublicKeyAlgorithm int
		}
	}
	if err := json.Unmarshal(response, &made); err != nil {
		return fmt.Errorf("reading the registration: %w", err)
	}
	text, err := json.MarshalIndent(registered{
		RP: p.rp, CredentialID: made.ID, PublicKey: made.Response.PublicKey, Algorithm: made.Response.PublicKeyAlgorithm, User: name,
	}, "", "  ")
	if err != nil {
		return err
	}
	p.print("%s\n", text)
	p.tell("Registered %q with %s. To try it: key sign -credential FILE-WITH-THIS\n", name, p.rp)
	return nil
}

func (p *program) sign(ctx context.Context) error {
	var known *registered
	challenge := random(32)
	request := object{"challenge": challenge, "userVerification": "preferred"}
	if p.credential != "" {
		data, err := os.ReadFile(p.credential)
		if err != nil {
			return fmt.Errorf("-credential: %w", err)
		}
		if err := json.Unmarshal(data, &known); err != nil || known == nil || known.RP == "" || len(known.CredentialID) == 0 {
			return fmt.Errorf("-credential %s: not what key register printed", p.credential)
		}
		p.rp = known.RP
		request["allowCredentials"] = []object{{"type": "public-key", "id": known.CredentialID}}
	}
	request["rpId"] = p.rp
	options, err := json.Marshal(request)
	if err != nil {
		return err
	}
	client, done, err := p.client()
	if err != nil {
		return err
	}
	defer done()
	response, err := client.Get(ctx, p.party(), options)
	if err != nil {
		return err
	}
	var signed assertion
	if err := json.Unmarshal(response, &signed); err != nil {
		return fmt.Errorf("reading the assertion: %w", err)
	}
	data := signed.Response.AuthenticatorData
	if len(data) < 37 {
		return errors.New("the key's authenticator data is too short")
	}
	result := object{
		"rp": p.rp, "credential_id": signed.ID, "user_present": data[32]&0x01 != 0, "user_verified": data[32]&0x04 != 0, "signature_verified": false,
	}
	if known != nil {
		if err := signed.verify(known, challenge); err != nil {
			return err
		}
		result["signature_verified"] = true
	}
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	p.print("%s\n", text)
	if known == nil {
		p.tell("Signed. Without -credential FILE the public key is not known, so the signature was not verified.\n")
	}
	return nil
}

type assertion struct {
	ID       base64URL
	Response struct {
		ClientDataJSON, AuthenticatorData, Signature base64URL
	}
}

// verify does of a relying party's work what a trial needs: challenge, RP ID and
// signature. Package fido does all of it.
func (a *assertion) verify(known *registered, challenge []byte) error {
	var client struct {
		Type      string
		Challenge base64URL
	}
	if err := json.Unmarshal(a.Response.ClientDataJSON, &client); err != nil {
		return fmt.Errorf("reading the client data: %w", err)
	}
	rp := sha256.Sum256([]byte(known.RP))
	if client.Type != "webauthn.get" || !bytes.Equal(client.Challenge, challenge) || !bytes.Equal(a.Response.AuthenticatorData[:32], rp[:]) {
		return errors.New("the assertion is about something else than was asked")
	}
	public, err := x509.ParsePKIXPublicKey(known.PublicKey)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	hash := sha256.Sum256(a.Response.ClientDataJSON)
	message := append(bytes.Clone(a.Response.AuthenticatorData), hash[:]...)
	good := false
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(message)
		good = ecdsa.VerifyASN1(public, digest[:], a.Response.Signature)
	case ed25519.PublicKey:
		good = ed25519.Verify(public, message, a.Response.Signature)
	default:
		return fmt.Errorf("a public key of type %T cannot be verified here", public)
	}
	if !good {
		return errors.New("the signature does not verify: this is not the key that was registered")
	}
	return nil
}
