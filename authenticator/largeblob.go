package authenticator

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// largeBlobInputs are AuthenticationExtensionsLargeBlobInputs,
// https://www.w3.org/TR/webauthn-3/#sctn-large-blob-extension
type largeBlobInputs struct {
	Support *string             `json:"support"`
	Read    *bool               `json:"read"`
	Write   *webauthn.Base64URL `json:"write"`
}

// checkCreation: "If read or write is present, return a … NotSupportedError."
func (l *largeBlobInputs) checkCreation() error {
	if l != nil && (l.Read != nil || l.Write != nil) {
		return errors.New("authenticator: the options read or write a large blob of a credential that is not there yet")
	}
	return nil
}

// fit decides whether a new credential is to have a large blob. A key has them for
// discoverable credentials only (CTAP 2.1 §12.3).
func (l *largeBlobInputs) fit(request *MakeCredentialRequest, info *Info) error {
	if l == nil {
		return nil
	}
	request.LargeBlob = info.keepsLargeBlobs() && request.Discoverable
	// Anything but "required" is to be read as "preferred".
	if request.LargeBlob || l.Support == nil || *l.Support != requirementRequired {
		return nil
	}
	if !request.Discoverable {
		return errors.New("authenticator: the options require a large blob, which needs a discoverable credential, and do not ask for one: add residentKey")
	}
	return fmt.Errorf("%w: the options require a large blob, and this key keeps none", ErrNoDevice)
}

// created is the output of a registration.
func (l *largeBlobInputs) created(result *MakeCredentialResult, extensions map[string]any) {
	if l != nil {
		extensions["largeBlob"] = map[string]any{"supported": result.LargeBlob}
	}
}

// apply checks the inputs of a sign-in and puts them into a request.
func (l *largeBlobInputs) apply(request *GetAssertionRequest) error {
	if l == nil {
		return nil
	}
	switch {
	case l.Support != nil:
		return errors.New("authenticator: the options ask for support of large blobs, which is for a registration to ask")
	case l.Read != nil && l.Write != nil:
		return errors.New("authenticator: the options read and write a large blob at once")
	case l.Write != nil && len(request.Allow) != 1:
		// "If write is present: If allowCredentials does not contain exactly one
		// element: return a … NotSupportedError."
		return errors.New("authenticator: the options write a large blob and do not name the one credential it is for")
	}
	request.ReadLargeBlob = l.Read != nil && *l.Read
	if l.Write != nil {
		request.WriteLargeBlob = *l.Write
	}
	return nil
}

// writes reports whether the request changes what the key keeps, for which its owner has
// to be verified if that is possible.
func (l *largeBlobInputs) writes(info *Info) bool {
	return l != nil && l.Write != nil && info.keepsLargeBlobs() && (info.Options["clientPin"] || info.Options["uv"])
}

// used is the output of a sign-in.
func (l *largeBlobInputs) used(a *Assertion, extensions map[string]any) {
	if l == nil {
		return
	}
	output := map[string]any{}
	switch {
	case l.Write != nil:
		output["written"] = a.LargeBlob != nil && a.LargeBlobError == nil
	case l.Read != nil && *l.Read && a.LargeBlob != nil:
		output["blob"] = webauthn.Base64URL(a.LargeBlob)
	}
	extensions["largeBlob"] = output
}

// keepsLargeBlobs reports whether a key stores blobs for credentials.
func (i *Info) keepsLargeBlobs() bool {
	return i.Options["largeBlobs"] && slices.Contains(i.Extensions, "largeBlobKey")
}
