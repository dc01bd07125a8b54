package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lakekey/lakekey/internal/strictjson"
)

const (
	maxStatement = 8 << 10
	// maxStatementLife: RFC 7523 §3 lets us "reject JWTs with an exp claim value
	// that is unreasonably far in the future", and so forget their jti. An hour is
	// what some clients give them.
	maxStatementLife = time.Hour
	// statementSkew is how far a client's clock may be off.
	statementSkew = 30 * time.Second
)

// statement is a JWT that a client signed with a key of its own, to be used here
// once: what authenticates it (RFC 7523 §2.2), or says who acts (RFC 8693 §1.1).
type statement struct {
	jwt    *proofJWT
	claims statementClaims
}

type statementClaims struct {
	iss, sub, aud, jti string
	exp, iat, nbf      int64
}

// parseStatement takes a statement apart; nothing of it is verified yet.
func parseStatement(text string) (*statement, error) {
	if len(text) > maxStatement {
		return nil, errors.New("it is larger than 8 KiB")
	}
	jwt, err := parseProof(text)
	if err != nil {
		return nil, errors.New("it is not a signed JWT, or names a critical extension")
	}
	s := &statement{jwt: jwt}
	if s.claims, err = parseStatementClaims(jwt.claims); err != nil {
		return nil, errors.New("its claims are not well-formed: iss, sub, aud and jti are strings, exp, iat and nbf whole numbers, and none is there twice")
	}
	return s, nil
}

func parseStatementClaims(payload []byte) (c statementClaims, err error) {
	err = strictjson.Members(payload, func(name, value []byte) (err error) {
		switch string(name) {
		case "iss":
			c.iss, err = strictjson.Text(value)
		case "sub":
			c.sub, err = strictjson.Text(value)
		case "aud":
			c.aud, err = strictjson.Text(value)
		case "jti":
			c.jti, err = strictjson.Text(value)
		case "exp":
			c.exp, err = strconv.ParseInt(string(value), 10, 64)
		case "iat":
			c.iat, err = strconv.ParseInt(string(value), 10, 64)
		case "nbf":
			c.nbf, err = strconv.ParseInt(string(value), 10, 64)
		}
		return err
	})
	return c, err
}

// verify checks that the client made the statement, for this issuer and now, with
// a typ among types; the error says what is wrong with it. The key is one that the
// operator has registered, whatever the header says.
func (s *statement) verify(client Client, issuer string, now time.Time, types ...string) error {
	c := s.claims
	switch {
	case !slices.Contains(types, s.jwt.typ):
		return fmt.Errorf("its typ is not one of %q", types)
	case !slices.Contains(statementAlgs, s.jwt.alg):
		return fmt.Errorf("its alg is not one of %v", statementAlgs)
	case s.jwt.jwk != nil || s.jwt.elsewhere:
		return errors.New("its header brings a key or says where one is: only registered keys count, name one with kid")
	case !signedBy(client.keys, s.jwt):
		return errors.New("no key that is registered for this client has made the signature; look at kid and alg, or have the new key registered")
	// RFC 7523 §3: "For client authentication, the subject MUST be the client_id".
	case c.iss != client.ID || c.sub != client.ID:
		return errors.New("its iss and sub must be the client_id")
	// The issuer, as a string, and nothing else: a statement that two servers
	// take is one that the first can use at the second.
	// https://datatracker.ietf.org/doc/html/draft-ietf-oauth-rfc7523bis#section-4
	case c.aud != issuer:
		return errors.New("its aud must be the issuer, " + issuer + ", and nobody else")
	case c.jti == "" || len(c.jti) > maxJTI:
		return errors.New("its jti is missing or longer than 256 bytes")
	}
	skew := int64(statementSkew / time.Second)
	switch at := now.Unix(); {
	case c.exp == 0 || c.exp > at+int64(maxStatementLife/time.Second)+skew:
		return fmt.Errorf("its exp is missing or more than %v ahead", maxStatementLife)
	case c.exp <= at-skew || c.nbf > at+skew || c.iat > at+skew:
		return fmt.Errorf("it is not valid now; this server's clock says %s", now.UTC().Format(time.RFC3339))
	}
	return nil
}

func signedBy(keys []clientKey, jwt *proofJWT) bool {
	for _, k := range keys {
		if (jwt.kid == "" || jwt.kid == k.kid) && slices.Contains(k.algs, jwt.alg) && k.verify(jwt.input, jwt.signature) {
			return true
		}
	}
	return false
}

// once remembers a verified statement for as long as it would be valid; the error
// is [ErrTaken] if it was used before. A jti is good for one use, whatever for.
func (i *Issuer) once(ctx context.Context, s *statement) error {
	used := Hash(sha256.Sum256([]byte("statement\x00" + s.claims.iss + "\x00" + s.claims.jti)))
	err := i.store.AddProof(ctx, used, time.Unix(s.claims.exp, 0).Add(statementSkew+time.Second))
	if err != nil && !errors.Is(err, ErrTaken) {
		return fmt.Errorf("remembering a client's statement: %w", err)
	}
	return err
}
