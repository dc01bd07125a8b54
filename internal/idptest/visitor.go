package idptest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Visitor is a person at a browser without scripts: keeps cookies, follows
// redirects, fills in forms and sends them off.
type Visitor struct {
	person Person
	http   *http.Client
}

// Visit returns a visitor, the Provider's Person, whose browser is new.
func (p *Provider) Visit() (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("idptest: %v", err)
	}
	return &Visitor{p.Person, &http.Client{Jar: jar, Transport: client.Transport, CheckRedirect: client.CheckRedirect}}, nil
}

// SignIn opens an authorization request and does what the pages ask for, until one
// sends the visitor to redirectURI. It returns where to, and does not go there.
func (v *Visitor) SignIn(ctx context.Context, address, redirectURI string) (*url.URL, error) {
	answer, page, err := v.follow(ctx, address, "", redirectURI)
	if err != nil {
		return nil, err
	}
	if page != nil {
		return nil, fmt.Errorf("idptest: nobody asked the visitor back; the last page reads: %.1000s", text(page))
	}
	return answer, nil
}

// Approve opens the address at which a device's user code is entered, enters it,
// and does what the pages ask for.
func (v *Visitor) Approve(ctx context.Context, address, userCode string) error {
	_, _, err := v.follow(ctx, address, userCode, "")
	return err
}

// maxSteps is how many pages and redirects a visit may take.
const maxSteps = 30

// follow ends at a redirect to the address until, or at a page that asks for nothing.
func (v *Visitor) follow(ctx context.Context, address, userCode, until string) (*url.URL, *html.Node, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	var page *html.Node
	for range maxSteps {
		if err != nil {
			return nil, nil, fmt.Errorf("idptest: the visit goes nowhere: %v", err)
		}
		var resp *http.Response
		if resp, page, err = v.open(req); err != nil {
			return nil, nil, err
		}
		here := resp.Request.URL
		if to, e := resp.Location(); e == nil {
			if until != "" && leads(to, until) {
				return to, nil, nil
			}
			req, err = http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
			continue
		}
		if resp.StatusCode >= 400 {
			return nil, nil, fmt.Errorf("idptest: %s answered the visitor with %s: %.1000s", here.Path, resp.Status, text(page))
		}
		if form := find(page, "form"); form != nil {
			req, err = v.submit(ctx, here, form, userCode)
		} else if to, ok := button(page); ok {
			if here, err = here.Parse(to); err == nil {
				req, err = http.NewRequestWithContext(ctx, http.MethodGet, here.String(), nil)
			}
		} else {
			return here, page, nil
		}
	}
	return nil, nil, fmt.Errorf("idptest: the visit has no end; the last page reads: %.1000s", text(page))
}

// leads reports whether a redirect goes to an address, whatever it brings along.
func leads(to *url.URL, address string) bool {
	at := *to
	at.RawQuery, at.Fragment = "", ""
	return at.String() == address
}

func (v *Visitor) open(req *http.Request) (*http.Response, *html.Node, error) {
	resp, err := v.http.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("idptest: visiting: %w", err)
	}
	defer resp.Body.Close()
	page, err := html.Parse(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, nil, fmt.Errorf("idptest: reading the page at %s: %v", req.URL.Path, err)
	}
	return resp, page, nil
}

// submit fills in a form as its first button would send it.
func (v *Visitor) submit(ctx context.Context, here *url.URL, form *html.Node, userCode string) (*http.Request, error) {
	fields, pressed := url.Values{}, false
	for n := range form.Descendants() {
		if n.Type != html.ElementNode || n.Data != "input" && n.Data != "button" {
			continue
		}
		name, value, kind := attribute(n, "name"), attribute(n, "value"), attribute(n, "type")
		switch {
		case name == "":
			continue
		case n.Data == "button" || kind == "submit":
			if pressed {
				continue
			}
			pressed = true
		case kind == "checkbox" || kind == "radio":
			continue
		case name == "login" || name == "username":
			value = v.person.Name
		case name == "password":
			value = v.person.Password
		case name == "user_code" && value == "":
			value = userCode
		}
		fields.Set(name, value)
	}
	to, err := here.Parse(attribute(form, "action"))
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(attribute(form, "method"), http.MethodPost) {
		to.RawQuery = fields.Encode()
		return http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, err
}

// button returns where the first button leads that is no form's: the example of
// zitadel has such ones.
func button(page *html.Node) (string, bool) {
	b := find(page, "button")
	if b == nil {
		return "", false
	}
	to, ok := strings.CutPrefix(attribute(b, "onclick"), "location.href='")
	return strings.TrimSuffix(to, "'"), ok
}

func find(page *html.Node, element string) *html.Node {
	for n := range page.Descendants() {
		if n.Type == html.ElementNode && n.Data == element {
			return n
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text is what can be read on a page.
func text(page *html.Node) string {
	var words []string
	for n := range page.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}
