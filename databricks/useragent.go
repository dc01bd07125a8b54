package databricks

import (
	"runtime/debug"
	"strings"
)

// sessionTag is the key under which a session's short id stands in User-Agents,
// and so in Databricks' own audit rows.
const sessionTag = "lakekey-session"

// userAgent is what lakekey calls itself on the wire.
func userAgent(sessionID string) string {
	return "lakekey/" + version() + " " + sessionTag + "/" + shortID(sessionID)
}

// shortID is the start of a session's id, enough to find the session in the
// audit log, in the characters that the SDK allows in a User-Agent.
func shortID(sessionID string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
			return r
		default:
			return '-'
		}
	}, sessionID)
	if id == "" {
		return "none"
	}
	return id[:min(len(id), 12)]
}

// version is lakekey's own, as the module system knows it.
func version() string {
	const unknown = "0.0.0"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == "github.com/lakekey/lakekey" && strings.HasPrefix(m.Version, "v") {
			v, _, _ := strings.Cut(m.Version[1:], "+")
			return v
		}
	}
	return unknown
}
