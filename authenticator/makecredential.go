package authenticator

import (
	"context"
	"fmt"
)

func (d *ctap2) MakeCredential(ctx context.Context, req *MakeCredentialRequest) (*MakeCredentialResult, error) {
	codec, end, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	info, err := d.static(ctx, codec)
	if err != nil {
		return nil, err
	}
	if d.u2f != nil {
		result, err := d.u2f.makeCredential(ctx, codec, req)
		if err != nil {
			return nil, fmt.Errorf("creating a credential: %w", err)
		}
		return result, nil
	}
	verify := req.PIN != nil || req.BuiltInUV
	var auth *authorization
	if verify {
		// Looking for excluded credentials in silence needs the other permission too.
		permissions := permitMakeCredential
		if info.overfull(req.Exclude) {
			permissions |= permitGetAssertion
		}
		if auth, err = d.authorize(ctx, codec, info, req.PIN, permissions, req.RPID); err != nil {
			return nil, err
		}
		defer auth.wipe()
	}
	exclude := req.Exclude
	if info.overfull(exclude) {
		if exclude, err = d.present(ctx, codec, info, auth, req.RPID, exclude); err != nil {
			return nil, err
		}
	}
	wire := &wireCreation{
		ClientDataHash: req.ClientDataHash,
		RP:             wireRP{ID: req.RPID, Name: req.RPName},
		User:           wireUser(req.User),
		Exclude:        wireDescriptors(exclude),
		Options:        map[string]bool{},
	}
	for _, alg := range req.Algorithms {
		wire.Algorithms = append(wire.Algorithms, wireAlgorithm{Alg: alg, Type: publicKeyType})
	}
	if req.Discoverable {
		wire.Options["rk"] = true
	}
	if verify && auth == nil {
		wire.Options["uv"] = true
	}
	if req.CredProtect != 0 {
		wire.extend("credProtect", req.CredProtect)
	}
	if req.HMACSecret {
		wire.extend("hmac-secret", true)
	}
	if req.MinPINLength {
		wire.extend("minPinLength", true)
	}
	if req.LargeBlob {
		wire.extend("largeBlobKey", true)
	}
	wire.PINAuth, wire.PINProtocol = auth.proof(req.ClientDataHash)
	response, err := d.call(ctx, codec, cmdMakeCredential, wire)
	if err != nil {
		return nil, fmt.Errorf("creating a credential: %w", err)
	}
	result, err := parseCreated(codec, response, req.RPID, verify)
	if err != nil {
		return nil, err
	}
	result.LargeBlob = result.LargeBlob && req.LargeBlob // not what nobody asked for
	return result, nil
}

func (w *wireCreation) extend(name string, input any) {
	if w.Extensions == nil {
		w.Extensions = make(map[string]any)
	}
	w.Extensions[name] = input
}

func parseCreated(codec *ctapCBOR, data []byte, rpID string, verified bool) (*MakeCredentialResult, error) {
	w, err := parse[wireCreated](codec, data, "a new credential")
	if err != nil {
		return nil, err
	}
	a, err := parseAuthData(codec, w.AuthData)
	if err != nil {
		return nil, err
	}
	if err := a.check(rpID, true, verified); err != nil {
		return nil, err
	}
	const majorMap = 5
	if w.Format == "" || len(w.Statement) == 0 || w.Statement[0]>>5 != majorMap {
		return nil, malformed("an attestation statement")
	}
	return &MakeCredentialResult{
		CredentialID:         a.credentialID,
		AuthenticatorData:    w.AuthData,
		Format:               w.Format,
		AttestationStatement: w.Statement,
		LargeBlob:            len(w.BlobKey) == blobKeyLength,
	}, nil
}
