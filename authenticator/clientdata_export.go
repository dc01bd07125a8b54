package authenticator

import "errors"

// ClientData is what a client settles about a ceremony before any key is involved.
type ClientData struct {
	RPID   string // the relying party ID, which the origin may use
	Origin string // the origin in its one canonical form
	JSON   []byte // clientDataJSON
}

// CollectClientData reads the options of a Create or a Get and decides, as a
// [Client] does, whether the origin may use the RP ID they name. It is for those
// who hand whole ceremonies to somebody else, an operating system or another
// machine: there is one rule for who may ask for what, and one reading of the
// options.
//
// Errors: [ErrOrigin], and options that do not parse or have no challenge.
func CollectClientData(originText string, options []byte, create bool) (*ClientData, error) {
	kind, rpID, challenge, err := asked(options, create)
	if err != nil {
		return nil, err
	}
	if len(challenge) == 0 {
		return nil, errors.New("authenticator: the options have no challenge")
	}
	o, err := parseOrigin(originText)
	if err != nil {
		return nil, err
	}
	if rpID, err = o.checkRPID(rpID); err != nil {
		return nil, err
	}
	return &ClientData{RPID: rpID, Origin: o.serialized, JSON: clientDataJSON(kind, challenge, o)}, nil
}

func asked(options []byte, create bool) (kind, rpID string, challenge []byte, err error) {
	if create {
		o, err := parseOptions[creationOptions](options)
		return typeCreate, o.RP.ID, o.Challenge, err
	}
	o, err := parseOptions[requestOptions](options)
	return typeGet, o.RPID, o.Challenge, err
}
