package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth   = 32
	maxMembers = 256 // per object: finding duplicates compares every pair
)

var (
	errSyntax = errors.New("strictjson: not valid JSON")
	errUTF8   = errors.New("strictjson: not valid UTF-8")
	errDeep   = fmt.Errorf("strictjson: nested deeper than %d", maxDepth)
	errMany   = fmt.Errorf("strictjson: an object with more than %d members", maxMembers)
)

// Check reports why data is not one JSON text without duplicate members.
func Check(data []byte) error {
	if !utf8.Valid(data) {
		return errUTF8
	}
	s := scanner{data: data}
	s.space()
	if err := s.value(0, nil); err != nil {
		return err
	}
	return s.end()
}

// Members checks data, which must be one JSON object, as Check does, and calls
// member with each name and raw value of it. The slices are parts of data,
// except for a name that was written with escapes. It stops at the first error
// that member returns. What member saw before a later error must not be used.
func Members(data []byte, member func(name, value []byte) error) error {
	if !utf8.Valid(data) {
		return errUTF8
	}
	s := scanner{data: data}
	s.space()
	if s.peek() != '{' {
		return errors.New("strictjson: not a JSON object")
	}
	if err := s.value(0, member); err != nil {
		return err
	}
	return s.end()
}

type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) end() error {
	if s.space(); s.pos != len(s.data) {
		return errors.New("strictjson: something follows the JSON text")
	}
	return nil
}

func (s *scanner) value(depth int, member func(name, value []byte) error) error {
	if depth > maxDepth {
		return errDeep
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(depth, member)
	case c == '[':
		return s.array(depth)
	case c == '"':
		_, err := s.text()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) object(depth int, member func(name, value []byte) error) error {
	s.pos++
	if s.space(); s.peek() == '}' {
		s.pos++
		return nil
	}
	var few [16]string
	names := few[:0]
	for {
		s.space()
		name, err := s.name()
		if err != nil {
			return err
		}
		for _, other := range names {
			if len(other) == len(name) && other == string(name) || strings.EqualFold(other, string(name)) {
				return errors.New("strictjson: an object has two members of the same name")
			}
		}
		if len(names) == maxMembers {
			return errMany
		}
		names = append(names, string(name))
		if s.space(); s.peek() != ':' {
			return errSyntax
		}
		s.pos++
		s.space()
		from := s.pos
		if err := s.value(depth+1, nil); err != nil {
			return err
		}
		if member != nil {
			if err := member(name, s.data[from:s.pos]); err != nil {
				return err
			}
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return errSyntax
		}
	}
}

func (s *scanner) array(depth int) error {
	s.pos++
	if s.space(); s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		s.space()
		if err := s.value(depth+1, nil); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return errSyntax
		}
	}
}

// name reads a string and resolves its escapes, for names are compared by what
// they mean.
func (s *scanner) name() ([]byte, error) {
	from := s.pos
	escaped, err := s.text()
	if err != nil {
		return nil, err
	}
	if !escaped {
		return s.data[from+1 : s.pos-1], nil
	}
	var name string
	if err := json.Unmarshal(s.data[from:s.pos], &name); err != nil {
		return nil, errSyntax
	}
	return []byte(name), nil
}

// text skips a string and reports whether it holds escapes.
func (s *scanner) text() (escaped bool, err error) {
	if s.peek() != '"' {
		return false, errSyntax
	}
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return escaped, nil
		case c < 0x20:
			return false, errSyntax
		case c == '\\':
			escaped = true
			if s.pos++; !s.escape() {
				return false, errSyntax
			}
		}
	}
	return false, errSyntax
}

func (s *scanner) escape() bool {
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			s.pos++
			if c := s.peek(); !(digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
		return true
	default:
		return false
	}
}

func (s *scanner) literal(word string) error {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return errSyntax
	}
	s.pos += len(word)
	return nil
}

// number follows the grammar of RFC 8259 §6.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return errSyntax
	}
	if s.peek() == '.' {
		if s.pos++; !s.digits() {
			return errSyntax
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.pos
	for digit(s.peek()) {
		s.pos++
	}
	return s.pos > from
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
