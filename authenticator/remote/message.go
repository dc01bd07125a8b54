package remote

// version is that of the protocol. Both sides must have the same.
const version = 1

// kind says what a frame is.
type kind byte

const (
	kindHello   kind = 1 // both ways, the first frame
	kindRequest kind = 2 // to the key: a ceremony
	kindCancel  kind = 3 // to the key: never mind
	kindAlive   kind = 4 // both ways, while a ceremony runs
	kindResult  kind = 5 // from the key: its last frame
	kindFailure kind = 6 // from the key: its last frame
)

// message is the body of a frame.
type message interface{ kind() kind }

// message returns an empty message of a kind, nil for a kind there is not.
func (k kind) message() message {
	switch k {
	case kindHello:
		return &hello{}
	case kindRequest:
		return &request{}
	case kindCancel:
		return &cancellation{}
	case kindAlive:
		return &alive{}
	case kindResult:
		return &result{}
	case kindFailure:
		return &failure{}
	}
	return nil
}

type hello struct {
	Version uint   `cbor:"1,keyasint"`
	Host    string `cbor:"2,keyasint,omitempty"` // from the asker, as it likes to call itself
}

// request asks for a ceremony. There is no RP ID in it: that comes out of the
// options, where a Client reads it too, so that there cannot be two of them.
type request struct {
	Create  bool   `cbor:"1,keyasint"`
	Origin  string `cbor:"2,keyasint"`
	Options []byte `cbor:"3,keyasint"`
}

type cancellation struct{}

type alive struct{}

type result struct {
	Response []byte `cbor:"1,keyasint"`
}

// failure is an error on its way.
type failure struct {
	Code       code   `cbor:"1,keyasint"`
	Text       string `cbor:"2,keyasint,omitempty"`
	Status     byte   `cbor:"3,keyasint,omitempty"`
	Retries    int    `cbor:"4,keyasint,omitempty"`
	PowerCycle bool   `cbor:"5,keyasint,omitempty"`
	Ineligible bool   `cbor:"6,keyasint,omitempty"` // the key that was touched cannot serve
	Product    string `cbor:"7,keyasint,omitempty"` // which key that is
}

func (*hello) kind() kind        { return kindHello }
func (*request) kind() kind      { return kindRequest }
func (*cancellation) kind() kind { return kindCancel }
func (*alive) kind() kind        { return kindAlive }
func (*result) kind() kind       { return kindResult }
func (*failure) kind() kind      { return kindFailure }

const maxHost = 253

// isHost tells whether a claimed host name can be shown to a person as it is: a
// name with escape sequences or line breaks could redraw the prompt.
func isHost(s string) bool {
	if s == "" || len(s) > maxHost {
		return false
	}
	for _, b := range []byte(s) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '.', b == '_':
		default:
			return false
		}
	}
	return true
}
