package keypolicy

import "fmt"

// Level is a level of the FIDO Alliance's authenticator certification; a higher
// one includes those below it.
// https://fidoalliance.org/certification/authenticator-certification-levels/
type Level uint8

// The levels.
const (
	Uncertified Level = iota
	Functional        // works as the standard wants; says nothing about its resistance
	L1
	L1Plus
	L2
	L2Plus
	L3
	L3Plus
)

var levels = [...]string{"none", "functional", "L1", "L1+", "L2", "L2+", "L3", "L3+"}

// String returns the level as it is spoken of, such as "L1" or "L3+".
func (l Level) String() string {
	if int(l) < len(levels) {
		return levels[l]
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// MarshalText returns what String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (l *Level) UnmarshalText(text []byte) error {
	for i, known := range levels {
		if known == string(text) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("keypolicy: %.20q is no certification level: none, functional, L1, L1+, L2, L2+, L3 and L3+ are", text)
}
