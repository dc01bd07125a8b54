package notebook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"regexp"
)

// span is a part of a text that must go.
type span struct {
	start, end int
	kind       string
}

// rule recognises one kind of token.
type rule struct {
	kind  string
	words []string // one of them is in every text with such a token: looking for words is quick
	fold  bool     // the words are in lower case, and the text is to be read so
	re    *regexp.Regexp
	group int // which part of the match is the token
	good  func(text []byte, start, end int) bool
}

// secretName are names of things that are secret. They stand in code, in JSON and in
// environments.
const secretName = `(?:access|refresh|id|subject|session|auth|bearer|databricks|personal_?access)[_-]?token|client[_-]?secret|device[_-]?code|auth[_-]?session|secret[_-]?(?:access[_-]?)?key|api[_-]?key|account[_-]?key|password|passwd`

var (
	secretKey  = regexp.MustCompile(`(?i)^(?:[a-z]+[_-])*(?:` + secretName + `|token|secret)$`)
	tokenValue = regexp.MustCompile(`^[A-Za-z0-9._~+/-]{16,}={0,2}$`)
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$`)
)

// compact is what follows the beginning of a JWT: RFC 7515, 7.1 and RFC 7516, 7.1, three
// or five parts.
const compact = `[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){3}|\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)`

var rules = []rule{
	// "dapi" begins a personal access token; see hexTokens for the others.
	{"databricks-token", []string{"dapi"}, false, regexp.MustCompile(`dapi[0-9a-f]{32,64}(?:-[0-9]{1,4})?`), 0, varied},
	{"private-key", []string{"PRIVATE KEY"}, false, regexp.MustCompile(`-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)`), 0, nil},
	// RFC 7518, 6.2.2 and 6.3.2: "d" is the private part.
	{"private-key", []string{`"kty"`, `'kty'`}, false, regexp.MustCompile(`["']d["']\s*:\s*["']([A-Za-z0-9_-]{40,})["']`), 1, nil},
	// {" and {-newline, which regexp finds quickly when they are not alternatives.
	{"jwt", []string{"eyJ"}, false, regexp.MustCompile(`eyJ` + compact), 0, jose},
	{"jwt", []string{"ewo"}, false, regexp.MustCompile(`ewo` + compact), 0, jose},
	{"metadata-url", []string{"://127.0.0.1:", "://localhost:"}, false, regexp.MustCompile(`https?://(?:127\.0\.0\.1|localhost):[0-9]{1,5}/([A-Za-z0-9_-]{40,})`), 1, random},
	{"bearer-token", []string{"bearer"}, true, regexp.MustCompile(`(?i)\bbearer[ :=]+["']?([A-Za-z0-9._~+/-]{20,}={0,2})`), 1, random},
	{"basic-auth", []string{"authorization"}, true, regexp.MustCompile(`(?i)authorization["']?\s*[:=]\s*["']?basic\s+([A-Za-z0-9+/]{12,}={0,2})`), 1, nil},
	{"url-password", []string{"://"}, false, regexp.MustCompile(`://[^\s:/?#@"'{}$<>\[\]\\]*:([^\s/?#@"'{}$<>\[\]\\]{6,})@[A-Za-z0-9]`), 1, nil},
	{"oauth-code", []string{"code=", "_token="}, false, regexp.MustCompile(`[?&#](?:code|access_token|id_token|refresh_token)=([A-Za-z0-9._~+/-]{16,})`), 1, random},
	{"azure-key", []string{"AccountKey="}, false, regexp.MustCompile(`AccountKey=([A-Za-z0-9+/]{86}==)`), 1, nil},
	{"azure-sas", []string{"?sig=", "&sig="}, false, regexp.MustCompile(`[?&]sig=([A-Za-z0-9%+/=-]{40,})`), 1, random},
	{
		"secret", []string{"token", "secret", "device", "session", "api_key", "api-key", "apikey", "account_key", "account-key", "accountkey", "passw"}, true,
		regexp.MustCompile(`(?i)(?:` + secretName + `)["']?\]?\s*(?:=>|:=|[:=])\s*[rbuf]?["']?([A-Za-z0-9._~+/-]{16,}={0,2})`), 1, random,
	},
}

// match finds what the rules and the detectors of services recognise in a text as it
// stands.
func match(text []byte) (all []span) {
	folded := bytes.ToLower(text)
	for _, r := range rules {
		if r.fold && !contains(folded, r.words) || !r.fold && !contains(text, r.words) {
			continue
		}
		for _, m := range r.re.FindAllSubmatchIndex(text, -1) {
			start, end := m[2*r.group], m[2*r.group+1]
			if r.good == nil || r.good(text, start, end) {
				all = append(all, span{start, end, r.kind})
			}
		}
	}
	return append(append(all, hexTokens(text)...), matchServices(text)...)
}

func contains(text []byte, words []string) bool {
	for _, w := range words {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	return false
}

// entropy is that of a text's bytes, in bits each.
func entropy(text []byte) (h float64) {
	var count [256]float64
	for _, c := range text {
		count[c]++
	}
	for _, n := range count {
		if n > 0 {
			p := n / float64(len(text))
			h -= p * math.Log2(p)
		}
	}
	return h
}

// varied keeps placeholders such as dapi0000… out.
func varied(text []byte, start, end int) bool { return entropy(text[start+4:end]) > 1.5 }

const hexDigits = 32 // of Databricks' tokens

// hexTokens finds Databricks' other tokens: "dose" begins the secret of a service
// principal, and more have four letters of their own, of which there is no public list.
// They all go on with 32 hexadecimal digits. Text that has none is passed in large steps.
func hexTokens(text []byte) (all []span) {
	for i := hexDigits - 1; i < len(text); i += hexDigits {
		if !isHex(text[i]) {
			continue
		}
		start, end := i, i+1
		for start > 0 && isHex(text[start-1]) {
			start--
		}
		for end < len(text) && isHex(text[end]) {
			end++
		}
		i = end - 1                  // the run is done with
		first := end - hexDigits - 4 // the letters before the digits may be digits too
		if first >= 0 && start <= first+4 && isPrefix(text[first:first+4]) && (first == 0 || !isWord(text[first-1])) && (end == len(text) || !isWord(text[end])) && varied(text, first, end) {
			all = append(all, span{first, serial(text, end), "databricks-token"})
		}
	}
	return all
}

// isPrefix wants letters that are no hexadecimal number themselves: digests are no
// tokens.
func isPrefix(b []byte) bool {
	return b[0] == 'd' && bytes.IndexFunc(b, func(c rune) bool { return c < 'a' || c > 'z' }) < 0 && bytes.IndexFunc(b, func(c rune) bool { return c > 'f' }) >= 0
}

// serial is the end of a token that may have a number behind it: dapi…-2.
func serial(text []byte, end int) int {
	i := end + 1
	for i < len(text) && i < end+5 && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	if end < len(text) && text[end] == '-' && i > end+1 {
		return i
	}
	return end
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

func isWord(c byte) bool { return isHex(c) || c >= 'g' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// jose wants a header that is one.
func jose(text []byte, start, end int) bool {
	first, _, _ := bytes.Cut(text[start:end], []byte("."))
	var header map[string]json.RawMessage
	decoded, err := base64.RawURLEncoding.DecodeString(string(first))
	return err == nil && json.Unmarshal(decoded, &header) == nil && header["alg"] != nil
}

// random tells what was drawn from what somebody wrote: names, calls, examples.
func random(text []byte, start, end int) bool {
	value := text[start:end]
	digits, letters := 0, 0
	for _, c := range value {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			letters++
		}
	}
	if digits == 0 || letters == 0 || entropy(value) < 3 || end < len(text) && (text[end] == '(' || text[end] == '[') {
		return false
	}
	return digits > 2 || !identifier.Match(value) || !bytes.ContainsAny(value, "_.")
}
