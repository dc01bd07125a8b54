package caep

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// Kind is a type of event that ends sessions.
type Kind string

// The kinds, by their names in CAEP 1.0 §3.
// https://openid.net/specs/openid-caep-1_0.html
const (
	SessionRevoked   Kind = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	CredentialChange Kind = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
)

// Event is what a transmitter has said and proven to be its word.
type Event struct {
	Kind    Kind
	Subject Subject
	Sent    time.Time // the token's iat
	TokenID string    // its jti
}

// Subject says whom an event is about, as far as the transmitter does. At least one
// of Email, ID and Session is set.
type Subject struct {
	Email   string
	Issuer  string // whose identifier ID is
	ID      string
	Session string // of the transmitter
}

const (
	maxJTI  = 256
	maxText = 1024
	// maxAge is how late a token may come: as long as a receiver may have been away.
	maxAge = 24 * time.Hour
	// maxSkew is how far the transmitter's clock may be ahead.
	maxSkew = 5 * time.Minute
)

// claims are what a token says, not yet compared with anything.
type claims struct {
	iss, jti string
	aud      []string
	iat      int64
	subject  Subject
	events   []Event
}

// parseClaims reads a payload (RFC 8417 §2.2). SSF 1.0 §4.1 forbids sub and exp, so
// that no token for another purpose passes for one of these.
// https://openid.net/specs/openid-sharedsignals-framework-1_0.html
func parseClaims(payload []byte) (c claims, err error) {
	var events json.RawMessage
	err = strictjson.Members(payload, func(name, value []byte) (err error) {
		switch string(name) {
		case "iss":
			c.iss, err = strictjson.Text(value)
		case "jti":
			c.jti, err = strictjson.Text(value)
		case "aud":
			c.aud, err = texts(value)
		case "iat":
			c.iat, err = strconv.ParseInt(string(value), 10, 64)
		case "sub_id":
			c.subject, err = parseSubject(value)
		case "events":
			events = slices.Clone(value)
		case "sub", "exp", "nonce":
			err = fmt.Errorf("it has the claim %s, which is for other tokens", name)
		}
		return err
	})
	if err != nil {
		return claims{}, err
	}
	if len(events) == 0 {
		return claims{}, errors.New("it has no events")
	}
	err = strictjson.Members(events, func(name, value []byte) error {
		e := Event{Kind: Kind(name), Subject: c.subject}
		if e.Kind != SessionRevoked && e.Kind != CredentialChange {
			return strictjson.Members(value, func([]byte, []byte) error { return nil }) // RFC 8417 §2.2: an object
		}
		// Transmitters from before SSF 1.0 name the subject within the event.
		err := strictjson.Members(value, func(name, value []byte) (err error) {
			if string(name) == "subject" && e.Subject == (Subject{}) {
				e.Subject, err = parseSubject(value)
			}
			return err
		})
		if err != nil {
			return err
		}
		if e.Subject.Email == "" && e.Subject.ID == "" && e.Subject.Session == "" {
			return errors.New("it does not say whom it is about, by email, iss_sub, opaque or session")
		}
		c.events = append(c.events, e)
		return nil
	})
	if err != nil {
		return claims{}, err
	}
	for n := range c.events {
		c.events[n].Sent, c.events[n].TokenID = time.Unix(c.iat, 0), c.jti
	}
	return c, nil
}

// texts reads a string, or a list of strings.
func texts(value []byte) ([]string, error) {
	if one, err := strictjson.Text(value); err == nil {
		return []string{one}, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(value, &raw); err != nil {
		return nil, errors.New("not a string or a list of strings")
	}
	var all []string
	for _, v := range raw {
		one, err := strictjson.Text(v)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// parseSubject reads a subject identifier (RFC 9493 §3.2), or a complex one of SSF 1.0
// §3.3, whose members user and session are such.
// https://www.rfc-editor.org/rfc/rfc9493#section-3.2
func parseSubject(value []byte) (s Subject, err error) {
	var format, id string
	var user, session json.RawMessage
	err = strictjson.Members(value, func(name, value []byte) (err error) {
		switch string(name) {
		case "format":
			format, err = text(value)
		case "email":
			s.Email, err = text(value)
		case "iss":
			s.Issuer, err = text(value)
		case "sub":
			s.ID, err = text(value)
		case "id":
			id, err = text(value)
		case "user":
			user = slices.Clone(value)
		case "session":
			session = slices.Clone(value)
		}
		return err
	})
	if err != nil {
		return Subject{}, err
	}
	switch {
	case format == "email" && s.Email != "":
		return Subject{Email: s.Email}, nil
	case format == "iss_sub" && s.Issuer != "" && s.ID != "":
		return Subject{Issuer: s.Issuer, ID: s.ID}, nil
	case format == "opaque" && id != "":
		return Subject{ID: id}, nil
	case format != "complex" && format != "":
		return Subject{}, fmt.Errorf("a subject of the format %.40q is not understood, or not whole", format)
	}
	whole := Subject{}
	if user != nil {
		if whole, err = parseSimple(user); err != nil {
			return Subject{}, err
		}
	}
	if session != nil {
		of, err := parseSimple(session)
		if err != nil {
			return Subject{}, err
		}
		whole.Session = of.ID
	}
	return whole, nil
}

// parseSimple is parseSubject for what is within another.
func parseSimple(value []byte) (Subject, error) {
	simple := false
	err := strictjson.Members(value, func(name, value []byte) error {
		if string(name) == "format" {
			format, err := text(value)
			simple = err == nil && format != "complex"
		}
		return nil
	})
	if err != nil || !simple {
		return Subject{}, errors.New("a subject within another has no format")
	}
	return parseSubject(value)
}

func text(value []byte) (string, error) {
	s, err := strictjson.Text(value)
	if err == nil && len(s) > maxText {
		return "", errors.New("a text is too long")
	}
	return s, err
}
