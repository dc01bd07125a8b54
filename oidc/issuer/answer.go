package issuer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/lakekey/lakekey/internal/secret"
)

// answer is what an authorization request came to: a code, or an error.
type answer struct {
	code secret.Value
	err  error
}

// params are the parameters of the answer that goes through the browser. iss
// says who it is from, so that a client of several issuers sends the code to the
// right one (RFC 9207).
// https://www.rfc-editor.org/rfc/rfc9207#section-2
func (i *Issuer) params(ctx context.Context, to target, a answer) url.Values {
	v := url.Values{"iss": {i.url.String()}}
	if to.state != "" {
		v.Set("state", to.state)
	}
	if a.err != nil {
		ref := i.told(ctx, a.err)
		v.Set("error", ref.code)
		v.Set("error_description", describable(ref.description))
		return v
	}
	v.Set("code", a.code.Reveal())
	return v
}

// told is what a client may be told about err. What is not a refusal is a fault
// of ours, whose cause the log gets.
func (i *Issuer) told(ctx context.Context, err error) *refusal {
	if ref, ok := errors.AsType[*refusal](err); ok {
		return ref
	}
	i.log.ErrorContext(ctx, "answering an authorization request", "error", err)
	return refuse(http.StatusServiceUnavailable, "temporarily_unavailable", "the issuer could not complete this; nothing was issued. Try again, and tell its operator if it stays so")
}

// locate returns where the browser goes next for the answer to reach the client.
func (i *Issuer) locate(ctx context.Context, req *Request, a answer) (string, error) {
	to := req.target()
	if to.mode != modeFormPost {
		return answerURI(to.uri, i.params(ctx, to, a)), nil
	}
	// The form is sent by a page of ours, which knows the code because its own
	// URL has it, and where to because this is kept. Nobody else can make such a
	// URL: the request in it is a secret of its own.
	v := url.Values{}
	if a.err != nil {
		ref := i.told(ctx, a.err)
		req.Error, req.ErrorDescription = ref.code, ref.description
	} else {
		v.Set("code", a.code.Reveal())
	}
	id, err := i.keep(ctx, *req, kindPost, codeLifetime)
	if err != nil {
		return "", err
	}
	v.Set("request", id)
	return i.url.String() + "/authorize/post?" + v.Encode(), nil
}

// postAnswer is the page that sends an answer as a form, once.
func (i *Issuer) postAnswer(w http.ResponseWriter, r *http.Request) {
	req, err := i.take(r.Context(), r.URL.Query().Get("request"), kindPost)
	if err != nil {
		i.stay(w, r, err)
		return
	}
	a := answer{code: secret.New(r.URL.Query().Get("code"))}
	if req.Error != "" {
		a = answer{err: refuse(http.StatusBadRequest, req.Error, req.ErrorDescription)}
	}
	i.respond(w, r, req.target(), a)
}

// respond sends the answer to the client through the browser.
func (i *Issuer) respond(w http.ResponseWriter, r *http.Request, to target, a answer) {
	params := i.params(r.Context(), to, a)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	if to.mode != modeFormPost {
		// 303, and not 307, after which a browser would repeat what was posted here
		// (RFC 9700 §4.12).
		http.Redirect(w, r, answerURI(to.uri, params), http.StatusSeeOther)
		return
	}
	var page bytes.Buffer
	// The operator has registered the URI: the schemes that package template does
	// not know are those of programs.
	if err := formPost.Execute(&page, map[string]any{"To": template.URL(to.uri), "Params": params}); err != nil {
		i.stay(w, r, err)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src '"+formPostScript+"'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	// Who receives the form may look at its Origin, which no-referrer would hide.
	h.Set("Referrer-Policy", "origin")
	_, _ = page.WriteTo(w)
}

const submit = "document.forms[0].submit()"

var (
	// formPost is OAuth 2.0 Form Post Response Mode §2.
	// https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html
	formPost = template.Must(template.New("form_post").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Going on</title></head><body>
<form method="post" action="{{.To}}">{{range $name, $values := .Params}}{{range $values}}
<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<noscript><p>You have signed in.</p><button>Go on</button></noscript></form>
<script>` + submit + `</script></body></html>
`))
	formPostScript = func() string {
		sum := sha256.Sum256([]byte(submit))
		return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
	}()
)

// stay tells the person what went wrong on a page of ours: there is nowhere to
// go on to.
func (i *Issuer) stay(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errGone) {
		err = refuse(http.StatusGone, "invalid_request", "It was finished already, or it took too long. Go back to the program that sent you here, and start again there.")
	}
	ref := i.told(r.Context(), err)
	i.site.Say(w, r, ref.status, "This sign-in cannot go on", sentence(ref.description)+" ("+ref.code+")")
}
