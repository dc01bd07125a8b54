package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON that others wrote.
const maxDepth = 32

// members are those of one JSON object, by their exact names.
type members map[string]json.RawMessage

// parseObject reads one JSON object and nothing after it. It refuses a member
// that stands twice in one object, at any depth: of two "sub", one reader takes
// the first and another the last, and they then speak of different people.
// RFC 7519 §4 lets a parser reject them. encoding/json does not, and also takes
// "SUB" for "sub", which is why nothing is read into structs here.
// https://www.rfc-editor.org/rfc/rfc7519#section-4
func parseObject(data []byte) (members, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8") // encoding/json would make different names equal
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	out := members{}
	for d.More() {
		name, err := memberName(d)
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("member %.40q stands twice", name)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, errors.New("malformed JSON")
		}
		if err := checkNested(raw); err != nil {
			return nil, err
		}
		out[name] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("malformed JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return out, nil
}

// checkNested refuses duplicate members in the objects inside raw.
func checkNested(raw []byte) error {
	if !bytes.ContainsAny(raw, "{[") {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var open []map[string]bool // one per open brace or bracket; nil for an array
	for {
		if len(open) > maxDepth {
			return errors.New("JSON nested too deeply")
		}
		if n := len(open); n > 0 && open[n-1] != nil && d.More() {
			name, err := memberName(d)
			if err != nil {
				return err
			}
			if open[n-1][name] {
				return fmt.Errorf("member %.40q stands twice", name)
			}
			open[n-1][name] = true
		}
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errors.New("malformed JSON")
		}
		switch t {
		case json.Delim('{'):
			open = append(open, map[string]bool{})
		case json.Delim('['):
			open = append(open, nil)
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

func memberName(d *json.Decoder) (string, error) {
	t, err := d.Token()
	name, ok := t.(string)
	if err != nil || !ok {
		return "", errors.New("malformed JSON")
	}
	return name, nil
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
