package oidc

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// members are those of one JSON object, by their exact names. encoding/json would
// take "SUB" for "sub" and the last of two, which is why nothing that others wrote
// is read into structs here.
type members map[string]json.RawMessage

// parseObject reads one JSON object and nothing after it. A member that stands
// twice in an object, at any depth, is refused: of two "sub", one reader takes the
// first and another the last, and they then speak of different people. RFC 7519
// §4 lets a parser reject them.
// https://www.rfc-editor.org/rfc/rfc7519#section-4
func parseObject(data []byte) (members, error) {
	m := members{}
	err := strictjson.Members(data, func(name, value []byte) error {
		m[string(name)] = value
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// errAbsent is what the readers below return for a member that is not there or
// is null.
var errAbsent = errors.New("absent")

func (m members) has(name string) bool {
	raw, ok := m[name]
	return ok && string(raw) != "null"
}

func (m members) text(name string) (string, error) {
	if !m.has(name) {
		return "", errAbsent
	}
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return "", errors.New("not a string")
	}
	return s, nil
}

// optional is text for members that may be missing.
func (m members) optional(name string) (string, error) {
	s, err := m.text(name)
	if errors.Is(err, errAbsent) {
		return "", nil
	}
	return s, err
}

// flag reads true or false; absent is false.
func (m members) flag(name string) (bool, error) {
	if !m.has(name) {
		return false, nil
	}
	var b bool
	if json.Unmarshal(m[name], &b) != nil {
		return false, errors.New("not true or false")
	}
	return b, nil
}

// texts reads an array of strings; absent is empty.
func (m members) texts(name string) ([]string, error) {
	if !m.has(name) {
		return nil, nil
	}
	var list []*string
	if json.Unmarshal(m[name], &list) != nil {
		return nil, errors.New("not a list of strings")
	}
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s == nil {
			return nil, errors.New("not a list of strings")
		}
		out = append(out, *s)
	}
	return out, nil
}

// maxSeconds is the year 9999: beyond it, time.Time cannot be formatted.
const maxSeconds = 253402300799

// seconds reads a number of seconds, as a JSON number or, where quoted says so,
// as a string that holds one: servers disagree about expires_in. Fractions are
// cut off.
func (m members) seconds(name string, quoted bool) (int64, error) {
	if !m.has(name) {
		return 0, errAbsent
	}
	raw := string(m[name])
	if strings.HasPrefix(raw, `"`) {
		if !quoted {
			return 0, errors.New("not a number")
		}
		if err := json.Unmarshal(m[name], &raw); err != nil {
			return 0, errors.New("not a number")
		}
	}
	var n json.Number
	if len(raw) > 32 || json.Unmarshal([]byte(raw), &n) != nil || strings.HasPrefix(raw, `"`) {
		return 0, errors.New("not a number")
	}
	if i, err := n.Int64(); err == nil {
		if i < -maxSeconds || i > maxSeconds {
			return 0, errors.New("out of range")
		}
		return i, nil
	}
	f, err := n.Float64()
	if err != nil || f < -maxSeconds || f > maxSeconds {
		return 0, errors.New("out of range")
	}
	return int64(f), nil
}
