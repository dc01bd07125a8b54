package caep

// ParseKeys reads a JWK Set.
var ParseKeys = parseKeys

// ParseClaims reads the events of a payload.
func ParseClaims(payload []byte) ([]Event, error) {
	c, err := parseClaims(payload)
	return c.events, err
}
