package issuer

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// maxClaims bounds a claims parameter before anything of it is looked at.
const maxClaims = 8 << 10

// Claims about a person that a client may ask for by name, beside sub, acr, amr
// and auth_time, which every ID token has.
const (
	claimEmail    = "email"
	claimUserName = "preferred_username"
)

// asked is what a claims parameter asks for that this issuer can do something
// about. OpenID Connect Core §5.5: what it cannot answer it leaves out.
type asked struct {
	acr      []string // values of acr, in order of preference; nil: any
	subject  string   // who it must be; empty: anybody
	idToken  []string // names of claims to put into the ID token
	userinfo []string // and into the answer of the userinfo endpoint
}

// parseClaims reads the claims parameter.
// https://openid.net/specs/openid-connect-core-1_0.html#ClaimsParameter
func parseClaims(s string) (asked, error) {
	bad := func() (asked, error) {
		return asked{}, refuse(http.StatusBadRequest, "invalid_request", "the claims parameter is not the object of OpenID Connect Core 5.5, or has a member twice, or is larger than 8 KiB")
	}
	if len(s) > maxClaims {
		return bad()
	}
	var a asked
	err := strictjson.Members([]byte(s), func(name, value []byte) (err error) {
		switch string(name) {
		case "id_token":
			a.idToken, err = a.read(value)
		case "userinfo":
			a.userinfo, err = a.read(value)
		}
		return err
	})
	if _, refused := errors.AsType[*refusal](err); refused {
		return asked{}, err
	}
	if err != nil || len(a.acr) > maxACRValues || len(a.subject) > maxText {
		return bad()
	}
	return a, nil
}

// read reads one member of the parameter and returns which claims it names.
func (a *asked) read(object []byte) (names []string, err error) {
	if strictjson.Null(object) {
		return nil, nil
	}
	err = strictjson.Members(object, func(name, value []byte) error {
		var wanted struct { // how strictly, and in which values
			Value  *string
			Values []string
		}
		if err := json.Unmarshal(value, &wanted); err != nil && slices.Contains([]string{"acr", "sub"}, string(name)) {
			return err
		}
		switch string(name) {
		case "acr":
			if wanted.Value != nil {
				wanted.Values = append([]string{*wanted.Value}, wanted.Values...)
			}
			a.acr = append(a.acr, wanted.Values...)
		case "sub":
			if wanted.Value == nil {
				return nil
			}
			if a.subject != "" && a.subject != *wanted.Value {
				return refuse(http.StatusBadRequest, "invalid_request", "the claims parameter asks for two different people")
			}
			a.subject = *wanted.Value
		case claimEmail, claimUserName:
			names = append(names, string(name))
		}
		return nil
	})
	return names, err
}
