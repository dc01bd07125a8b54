package assurance

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/strictjson"
)

const (
	maxChallenge = 16 << 10 // of all WWW-Authenticate headers together
	maxParams    = 32
	maxValues    = 16
)

// Challenge is what a resource answers that wants more of a sign-in than the token
// proves. It is an error, for whoever calls that resource to return: only the caller
// can decide to ask a person again.
type Challenge struct {
	// Code is insufficient_user_authentication (RFC 9470) or insufficient_claims
	// (Microsoft Entra ID).
	Code string

	ACR    []string      // acr_values: any of these
	MaxAge time.Duration // how old the sign-in may be, if Aged
	Aged   bool
	Claims string // the claims parameter for the next request, a JSON object; of Entra
	Scheme string // Bearer or DPoP
}

func (c *Challenge) Error() string {
	var b strings.Builder
	b.WriteString("assurance: the resource wants a stronger or newer sign-in (" + c.Code + ")")
	if len(c.ACR) > 0 {
		fmt.Fprintf(&b, ", acr %.200q", strings.Join(c.ACR, " or "))
	}
	if c.Aged {
		fmt.Fprintf(&b, ", not older than %s", c.MaxAge)
	}
	if c.Claims != "" {
		b.WriteString(", with claims of its own")
	}
	return b.String() + ": sign in again"
}

// Narrow is p, with what the challenge asks for beside: never less than p. It
// returns an error if the challenge asks for something else than p, which no sign-in
// by p can meet; an Entra challenge may ask for the context of an Entra profile only.
func (c *Challenge) Narrow(p Profile) (Profile, error) {
	if err := p.Refusal(); err != nil {
		return Profile{}, err
	}
	r := *p.r()
	if c.Aged {
		p.within = min(p.within, max(c.MaxAge, 0))
	}
	if len(c.ACR) > 0 {
		var both []string
		for _, v := range c.ACR {
			for _, own := range r.ACR {
				if v == own {
					both = append(both, v)
				}
			}
		}
		if both == nil {
			return Profile{}, &Error{Profile: r.Name, Claim: "acr", Want: strings.Join(c.ACR, " or "), Got: strings.Join(r.ACR, " or "), Reason: "the resource wants what the profile does not prove"}
		}
		r.ACR = both
	}
	if c.Claims != "" {
		wanted, err := contexts(c.Claims)
		if err != nil {
			return Profile{}, err
		}
		if r.ACRS == "" || len(wanted) != 1 || wanted[0] != r.ACRS {
			return Profile{}, &Error{Profile: r.Name, Claim: "acrs", Want: strings.Join(wanted, " and "), Got: r.ACRS, Reason: "the resource wants an authentication context that the profile does not ask for"}
		}
	}
	return Profile{rules: &r, within: p.within}, nil
}

// contexts are the authentication contexts that a claims parameter asks for.
func contexts(claims string) ([]string, error) {
	var asked map[string]map[string]*struct {
		Value  string   `json:"value"`
		Values []string `json:"values"`
	}
	if json.Unmarshal([]byte(claims), &asked) != nil {
		return nil, errors.New("assurance: the claims that the resource wants cannot be understood")
	}
	var out []string
	for _, where := range asked {
		for name, want := range where {
			if name != "acrs" || want == nil || len(want.Values) > 1 || want.Value == "" && len(want.Values) == 0 {
				return nil, fmt.Errorf("assurance: the resource wants the claim %.40q, about which no profile knows anything", name)
			}
			if want.Value != "" {
				out = append(out, want.Value)
			}
			out = append(out, want.Values...)
		}
	}
	return out, nil
}

// ParseChallenge finds, in the values of WWW-Authenticate of a 401, the challenge
// for a stronger or newer sign-in. It returns nil, and no error, if there is none:
// the token may just have expired. One that is there and makes no sense is an error.
// https://www.rfc-editor.org/rfc/rfc9470#section-3
// https://learn.microsoft.com/en-us/entra/identity-platform/claims-challenge
func ParseChallenge(headers []string) (*Challenge, error) {
	total := 0
	for _, h := range headers {
		if total += len(h); total > maxChallenge {
			return nil, fmt.Errorf("assurance: WWW-Authenticate is longer than %d KiB", maxChallenge>>10)
		}
	}
	for _, h := range headers {
		all, err := split(h)
		if err != nil {
			return nil, fmt.Errorf("assurance: WWW-Authenticate: %v", err)
		}
		for _, one := range all {
			if !strings.EqualFold(one.scheme, "Bearer") && !strings.EqualFold(one.scheme, "DPoP") {
				continue
			}
			switch code := one.params["error"]; code {
			case "insufficient_user_authentication", "insufficient_claims":
				return one.read(code)
			}
		}
	}
	return nil, nil
}

func (o offer) read(code string) (*Challenge, error) {
	c := &Challenge{Code: code, Scheme: o.scheme}
	c.ACR = strings.Fields(o.params["acr_values"])
	if len(c.ACR) > maxValues {
		return nil, fmt.Errorf("assurance: WWW-Authenticate: more than %d acr_values", maxValues)
	}
	if age, ok := o.params["max_age"]; ok {
		n, err := strconv.ParseUint(age, 10, 31)
		if err != nil {
			return nil, errors.New("assurance: WWW-Authenticate: max_age is not a number of seconds")
		}
		c.MaxAge, c.Aged = time.Duration(n)*time.Second, true
	}
	encoded, ok := o.params["claims"]
	if !ok && code == "insufficient_claims" {
		return nil, errors.New("assurance: WWW-Authenticate: insufficient_claims without claims")
	}
	if ok {
		// "base64 encoded string": with or without padding, and of either alphabet.
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(encoded, "="))
		raw, err := base64.RawStdEncoding.DecodeString(plain)
		if err != nil {
			return nil, errors.New("assurance: WWW-Authenticate: claims is not base64")
		}
		if err := strictjson.Members(raw, func(_, _ []byte) error { return nil }); err != nil {
			return nil, fmt.Errorf("assurance: WWW-Authenticate: claims: %v", err)
		}
		c.Claims = string(raw)
	}
	return c, nil
}

// offer is one challenge of RFC 9110 §11.6.1.
type offer struct {
	scheme string
	params map[string]string
}

// split reads a WWW-Authenticate value, which may hold several challenges. A comma
// stands between them and between the parameters of one, so what begins with a token
// that no "=" follows is a new one.
// https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
func split(h string) (all []offer, err error) {
	s := &scanner{rest: h}
	for {
		s.separators()
		if s.rest == "" {
			return all, nil
		}
		name := s.token()
		if name == "" {
			return nil, errors.New("not a challenge")
		}
		if !s.equals() {
			s.spaces()
			if len(all) == maxValues {
				return nil, fmt.Errorf("more than %d challenges", maxValues)
			}
			all = append(all, offer{scheme: name, params: map[string]string{}})
			s.token68()
			continue
		}
		value, err := s.value()
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, errors.New("a parameter of no challenge")
		}
		name, params := strings.ToLower(name), all[len(all)-1].params
		if _, twice := params[name]; twice {
			// RFC 6750 §3: attributes "MUST NOT appear more than once".
			// https://www.rfc-editor.org/rfc/rfc6750#section-3
			return nil, errors.New("a parameter stands twice")
		}
		if len(params) == maxParams {
			return nil, fmt.Errorf("more than %d parameters", maxParams)
		}
		params[name] = value
		if s.spaces(); s.rest != "" && s.rest[0] != ',' {
			return nil, errors.New("no comma after a parameter")
		}
	}
}

type scanner struct{ rest string }

func (s *scanner) spaces()     { s.rest = strings.TrimLeft(s.rest, " \t") }
func (s *scanner) separators() { s.rest = strings.TrimLeft(s.rest, " \t,") }

func isToken(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// token reads RFC 9110 §5.6.2.
func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && isToken(s.rest[n]) {
		n++
	}
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t
}

// equals takes "=" with the white space that RFC 9110 has readers bear.
func (s *scanner) equals() bool {
	after, ok := strings.CutPrefix(strings.TrimLeft(s.rest, " \t"), "=")
	if ok {
		s.rest = strings.TrimLeft(after, " \t")
	}
	return ok
}

// token68 skips what Negotiate and Basic have in the place of parameters.
func (s *scanner) token68() {
	n := 0
	for n < len(s.rest) && (isToken(s.rest[n]) || s.rest[n] == '/') {
		n++
	}
	end := n
	for end < len(s.rest) && s.rest[end] == '=' {
		end++
	}
	tail := strings.TrimLeft(s.rest[end:], " \t")
	if n > 0 && (tail == "" || tail[0] == ',') {
		s.rest = tail
	}
}

// value reads a token or a quoted string, RFC 9110 §5.6.4.
func (s *scanner) value() (string, error) {
	if !strings.HasPrefix(s.rest, `"`) {
		// Base64 without quotes is not a token, and is sent all the same.
		n := 0
		for n < len(s.rest) && (isToken(s.rest[n]) || s.rest[n] == '/' || s.rest[n] == '=') {
			n++
		}
		v := s.rest[:n]
		s.rest = s.rest[n:]
		if v == "" {
			return "", errors.New("a parameter without a value")
		}
		return v, nil
	}
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(s.rest):
			i++
			b.WriteByte(s.rest[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", errors.New("a control character in a value")
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("a value without its end")
}
