package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
)

const (
	// maxProof bounds a proof before anything of it is decoded. One with a
	// P-256 key has about 500 bytes.
	maxProof = 4 << 10
	maxJTI   = 256
	// proofWindow is how far a proof's iat may be from our clock. RFC 9449
	// §11.1 asks for "a relatively brief period (on the order of seconds or
	// minutes)"; laptops' clocks are the reason for two.
	proofWindow = 2 * time.Minute
)

// proof is what a verified DPoP proof says.
type proof struct {
	jkt    string // thumbprint of its key
	unique Hash   // of key and jti: the same proof, whatever request carries it
	ath    string // hash of the access token that it goes with; empty: none is named
	issued time.Time
}

func badProof(why string) *refusal {
	return refuse(http.StatusBadRequest, "invalid_dpop_proof", why)
}

func missingProof() *refusal {
	return badProof("the DPoP header is missing; this issuer binds everything to a key of the client (RFC 9449)")
}

// verifyProof checks the DPoP header of a request to target, in the order of the
// list of RFC 9449 §4.3, but for the replay: [Issuer.spend] does that.
// https://www.rfc-editor.org/rfc/rfc9449#section-4.3
func verifyProof(headers []string, method, target string, now time.Time) (*proof, error) {
	// 1. "There is not more than one DPoP HTTP request header field."
	switch {
	case len(headers) == 0:
		return nil, missingProof()
	case len(headers) > 1:
		return nil, badProof("there is more than one DPoP header")
	case len(headers[0]) > maxProof:
		return nil, badProof("the DPoP proof is larger than 4 KiB")
	}
	// 2. "a single and well-formed JWT"
	jwt, err := parseProof(headers[0])
	if err != nil {
		return nil, badProof("the DPoP proof is not a JWT")
	}
	// 4.
	if jwt.typ != "dpop+jwt" {
		return nil, badProof("the typ of the DPoP proof is not dpop+jwt")
	}
	// 5., 7. An alg that is asymmetric and "acceptable per local policy": the
	// list is ours, and what the key is must agree.
	key, err := parseProofKey(jwt.jwk, jwt.alg)
	if err != nil {
		return nil, badProof("the DPoP proof is not signed with ES256 or EdDSA, or does not carry the plain public key for that in its jwk header")
	}
	// 6.
	if !key.verify(jwt.input, jwt.signature) {
		return nil, badProof("the signature of the DPoP proof is wrong")
	}
	// 3. All required claims.
	claims, err := parseProofClaims(jwt.claims)
	if err != nil {
		return nil, badProof("the claims of the DPoP proof are not well-formed")
	}
	if claims.jti == "" || len(claims.jti) > maxJTI || !claims.dated {
		return nil, badProof("the DPoP proof lacks jti or iat, or its jti is longer than 256 bytes")
	}
	// 8., 9.
	if claims.htm != method {
		return nil, badProof("the htm of the DPoP proof is not the method of this request, " + method)
	}
	if !sameURL(claims.htu, target) {
		return nil, badProof("the htu of the DPoP proof is not the URL of this endpoint, " + target)
	}
	// 11. Subtracting in seconds, not in time.Duration, which overflows.
	issued := claims.iat
	if skew := int64(proofWindow / time.Second); issued < now.Unix()-skew || issued > now.Unix()+skew {
		return nil, badProof(fmt.Sprintf("the iat of the DPoP proof is not within %v of this server's clock, which says %s: set the clock of the client", proofWindow, now.UTC().Format(time.RFC3339)))
	}
	return &proof{jkt: key.jkt, unique: sha256.Sum256([]byte(key.jkt + "\x00" + claims.jti)), ath: claims.ath, issued: time.Unix(issued, 0)}, nil
}

// spend remembers a proof for as long as its iat would let it pass, so that it
// passes once (RFC 9449 §11.1).
func (i *Issuer) spend(ctx context.Context, p *proof) error {
	err := i.store.AddProof(ctx, p.unique, p.issued.Add(proofWindow+time.Second))
	if errors.Is(err, ErrTaken) {
		return badProof("this DPoP proof was used before; make a new one for every request")
	}
	if err != nil {
		return fmt.Errorf("remembering a DPoP proof: %w", err)
	}
	return nil
}

// sameURL compares an htu with an endpoint's URL. RFC 9449 §4.3: "ignoring any
// query and fragment parts", after "Syntax-Based Normalization" and
// "Scheme-Based Normalization" of RFC 3986 §6.2.2 and §6.2.3.
func sameURL(htu, target string) bool {
	if htu == target {
		return true
	}
	got, err := normalURL(htu)
	if err != nil {
		return false
	}
	want, err := normalURL(target)
	return err == nil && got == want
}

// normalURL brings an http or https URL into the form of RFC 3986 §6.2.2 and
// §6.2.3, without query and fragment.
func normalURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", errors.New("issuer: not a URL")
	}
	base, err := origin.Of(u)
	if err != nil {
		return "", err
	}
	// EscapedPath keeps the escapes that the sender chose, so that an escaped
	// slash stays what it is; unescape what needs no escape, and no more.
	p := normalEscapes(u.EscapedPath())
	if p == "" {
		return base + "/", nil
	}
	return base + removeDots(p), nil
}

// removeDots is RFC 3986 §5.2.4 for a path that starts with a slash. path.Clean
// is not: it joins double slashes, which name another resource.
func removeDots(p string) string {
	if !strings.Contains(p, "/.") {
		return p
	}
	segments := strings.Split(p[1:], "/")
	kept := make([]string, 0, len(segments))
	for k, s := range segments {
		switch {
		case s == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case s != "." && s != "..":
			kept = append(kept, s)
			continue
		}
		if k == len(segments)-1 { // what is left is a folder
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

// normalEscapes decodes the escapes of unreserved characters and writes the
// others in upper case (RFC 3986 §6.2.2.1, §6.2.2.2).
func normalEscapes(p string) string {
	if !strings.Contains(p, "%") {
		return p
	}
	var b strings.Builder
	for k := 0; k < len(p); k++ {
		if p[k] != '%' || k+2 >= len(p) {
			b.WriteByte(p[k])
			continue
		}
		if c, err := url.PathUnescape(p[k : k+3]); err == nil && unreserved(c[0]) {
			b.WriteByte(c[0])
		} else {
			b.WriteString(strings.ToUpper(p[k : k+3]))
		}
		k += 2
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
