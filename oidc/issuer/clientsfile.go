package issuer

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lakekey/lakekey/internal/strictjson"
)

const maxClientsFile = 1 << 20

// ParseClients reads a registry of clients: a JSON object whose member clients is
// a list of objects with these members, named as in RFC 7591 where that has a name:
//
//	client_id, client_name, audiences, redirect_uris, post_logout_redirect_uris,
//	backchannel_logout_uri, require_pushed_authorization_requests, device, jwks,
//	may_act_for, scopes, insecure_any_audience, insecure_bearer
//
// They mean what the fields of [Client] mean, and only client_id is required. An
// unknown member, one that is there twice or has another type is an error that says
// where. [New] and [Issuer.SetClients] check the rest.
func ParseClients(file []byte) ([]Client, error) {
	if len(file) > maxClientsFile {
		return nil, errors.New("issuer: the clients file is larger than 1 MiB")
	}
	var raw []json.RawMessage
	err := strictjson.Members(file, func(name, value []byte) error {
		if string(name) != "clients" {
			return fmt.Errorf("unknown member %q: the file has one, clients", name)
		}
		if err := json.Unmarshal(value, &raw); err != nil {
			return errors.New("clients must be a list of objects")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("issuer: the clients file: %v", err)
	}
	clients := make([]Client, 0, len(raw))
	for n, value := range raw {
		c, err := parseClient(value)
		if err != nil {
			return nil, fmt.Errorf("issuer: the clients file: clients[%d] (%q): %v", n, c.ID, err)
		}
		clients = append(clients, c)
	}
	if len(clients) == 0 {
		return nil, errors.New("issuer: the clients file lists no clients: nobody could sign in")
	}
	return clients, nil
}

// clientMember is where a member of the file goes, and what it must be.
type clientMember struct {
	to   any
	kind string
}

func parseClient(value []byte) (c Client, err error) {
	const text, list, yes = "a string", "a list of strings", "true or false"
	members := map[string]clientMember{
		"client_id":                             {&c.ID, text},
		"client_name":                           {&c.Name, text},
		"audiences":                             {&c.Audiences, list},
		"redirect_uris":                         {&c.RedirectURIs, list},
		"post_logout_redirect_uris":             {&c.PostLogoutRedirectURIs, list},
		"backchannel_logout_uri":                {&c.BackchannelLogoutURI, text},
		"require_pushed_authorization_requests": {&c.PushedOnly, yes},
		"device":                                {&c.Device, yes},
		"jwks":                                  {&c.JWKS, "a JWK Set"},
		"may_act_for":                           {&c.MayActFor, list},
		"scopes":                                {&c.Scopes, list},
		"insecure_any_audience":                 {&c.InsecureAnyAudience, yes},
		"insecure_bearer":                       {&c.InsecureBearer, yes},
	}
	err = strictjson.Members(value, func(name, value []byte) error {
		m, known := members[string(name)]
		if !known {
			return fmt.Errorf("unknown member %q: look for a misspelling", name)
		}
		if strictjson.Null(value) || json.Unmarshal(value, m.to) != nil {
			return fmt.Errorf("%s must be %s", name, m.kind)
		}
		return nil
	})
	switch {
	case err != nil:
		return c, err
	case c.ID == "":
		return c, errors.New("client_id is missing")
	}
	return c, nil
}
