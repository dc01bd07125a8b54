package provider

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/lakekey/lakekey/internal/strictjson"
	"github.com/lakekey/lakekey/oidc/caep"
	"github.com/lakekey/lakekey/oidc/certwatch"
)

// maxOthers is more than any file of identity providers has.
const maxOthers = 1 << 20

// other is an identity provider beside this one, at which the same people sign in.
type other struct {
	name   string
	keys   string // its jwks_uri
	saml   string // where its SAML metadata is
	events *caep.Transmitter
	// authorization is the SHA-256 of the Authorization header that its events come
	// with; nil: they need none.
	authorization []byte
}

// otherName is what stands in a path and in a metric.
var otherName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// openOthers reads the identity providers in file, or returns none if none is named.
func openOthers(file string) ([]other, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("-providers: %v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxOthers+1))
	if err != nil {
		return nil, fmt.Errorf("-providers: %v", err)
	}
	all, err := parseOthers(text)
	if err != nil {
		return nil, fmt.Errorf("-providers %s: %w", file, err)
	}
	return all, nil
}

// parseOthers reads a list of identity providers; see examples/idp/providers.json. What
// it does not know is an error: a misspelt member would be a watch that nobody keeps.
func parseOthers(text []byte) ([]other, error) {
	if len(text) > maxOthers {
		return nil, errors.New("the file is larger than 1 MiB")
	}
	var raw []json.RawMessage
	err := strictjson.Members(text, func(name, value []byte) error {
		if string(name) != "providers" || json.Unmarshal(value, &raw) != nil {
			return fmt.Errorf("%q: the file is an object with one member, providers, a list of objects", name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []other
	named := map[string]bool{}
	for n, value := range raw {
		o, err := parseOther(value)
		if err == nil && named[o.name] {
			err = errors.New("another one has that name")
		}
		if err != nil {
			return nil, fmt.Errorf("providers[%d] (%q): %w", n, o.name, err)
		}
		named[o.name] = true
		all = append(all, o)
	}
	if len(all) == 0 {
		return nil, errors.New("it lists nobody")
	}
	return all, nil
}

func parseOther(value []byte) (o other, err error) {
	var issuer string
	err = strictjson.Members(value, func(name, value []byte) (err error) {
		switch string(name) {
		case "name":
			o.name, err = strictjson.Text(value)
		case "issuer":
			issuer, err = strictjson.Text(value)
		case "jwks_uri":
			o.keys, err = strictjson.Text(value)
		case "saml_metadata":
			o.saml, err = strictjson.Text(value)
		case "events":
			o.events = &caep.Transmitter{}
			err = o.parseEvents(value)
		default:
			err = fmt.Errorf("unknown member %q: look for a misspelling", name)
		}
		return err
	})
	if err != nil {
		return o, err
	}
	if o.events != nil {
		o.events.Issuer, o.events.KeysURL = issuer, o.keys
	}
	switch {
	case !otherName.MatchString(o.name):
		return o, errors.New("name must be of a-z, 0-9 and -, as it stands in a path")
	case o.keys == "" && o.saml == "":
		return o, errors.New("jwks_uri and saml_metadata are missing: where are its certificates?")
	}
	return o, nil
}

func (o *other) parseEvents(value []byte) error {
	return strictjson.Members(value, func(name, value []byte) (err error) {
		switch string(name) {
		case "audience":
			o.events.Audience, err = strictjson.Text(value)
		case "authorization_sha256":
			var text string
			if text, err = strictjson.Text(value); err == nil {
				o.authorization, err = hex.DecodeString(text)
			}
			if err != nil || len(o.authorization) != 32 {
				return errors.New("events.authorization_sha256 must be the SHA-256 of the whole Authorization header, in hex")
			}
		default:
			err = fmt.Errorf("unknown member events.%q: look for a misspelling", name)
		}
		return err
	})
}

// documents are where others publish certificates.
func documents(all []other) (sources []certwatch.Source) {
	for _, o := range all {
		if o.keys != "" {
			sources = append(sources, certwatch.Source{Name: o.name, URL: o.keys, Kind: certwatch.JWKS})
		}
		if o.saml != "" {
			sources = append(sources, certwatch.Source{Name: o.name, URL: o.saml, Kind: certwatch.SAML})
		}
	}
	return sources
}
