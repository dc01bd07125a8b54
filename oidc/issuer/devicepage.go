package issuer

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/web"
)

// devicePage is where a person says which device they look at. What they may be
// lured into is to approve what somebody else began: so they are told which
// program asks, from where, and have to type what only the device shows. A link
// names the request and no more (RFC 8628 §5.4).
// https://www.rfc-editor.org/rfc/rfc8628#section-5.4
func (i *Issuer) devicePage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		letters, _ := splitUserCode(r.URL.Query().Get("user_code"))
		if letters == "" {
			i.askCode(w, r, "")
		} else if i.site.Unhurried(w, r) { // it tells who asks
			i.askNumber(w, r, letters)
		}
		return
	}
	f, err := readForm(w, r)
	if err != nil {
		i.stay(w, r, err)
		return
	}
	letters, number := splitUserCode(f["user_code"])
	if f["number"] != "" {
		_, number = splitUserCode(f["number"])
	}
	if number == "" {
		i.askNumber(w, r, letters)
		return
	}
	page, err := i.match(r.Context(), r, letters, number)
	switch {
	case errors.Is(err, errGone):
		i.askCode(w, r, unknownUserCode)
	case err != nil:
		i.stay(w, r, err)
	default:
		http.Redirect(w, r, page, http.StatusSeeOther)
	}
}

const unknownUserCode = "No device waits with that code. Type it as the device shows it; it is good for ten minutes, and once."

func (i *Issuer) askCode(w http.ResponseWriter, r *http.Request, wrong string) {
	i.site.Ask(w, r, web.Question{
		Title: "Let a device sign in", Text: "Only if the device is in front of you, and you have just asked for this there.", Wrong: wrong,
		Fields: []web.Field{{Name: "user_code", Label: "The code that your device shows", Help: "Eight letters and a number, such as BCDF-GHJK-42."}},
		Action: i.url.Path + "/device", Button: "Continue",
	})
}

// askNumber is for those who come by a link or have typed the letters only.
func (i *Issuer) askNumber(w http.ResponseWriter, r *http.Request, letters string) {
	req, err := i.byUserCode(r.Context(), letters)
	switch {
	case errors.Is(err, errGone):
		i.askCode(w, r, unknownUserCode)
		return
	case err != nil:
		i.stay(w, r, err)
		return
	}
	i.site.Ask(w, r, web.Question{
		Title: "Which number does your device show?", Text: "If there is no device in front of you that shows this code, somebody else wants to sign in as you: close this page.",
		Facts:  i.deviceFacts(req, dashed(letters)),
		Fields: []web.Field{{Name: "user_code", Value: letters}, {Name: "number", Label: "The number behind the letters", Mode: "numeric", Help: "Two digits. With a wrong one the device has to start again."}},
		Action: i.url.Path + "/device", Button: "Continue",
	})
}

func (i *Issuer) deviceFacts(req *Request, code string) []web.Fact {
	facts := []web.Fact{
		{Name: "Program", Value: i.title(req.ClientID)},
		{Name: "Code", Value: code},
		{Name: "Asked from", Value: req.Place},
		{Name: "At", Value: req.Created.UTC().Format("15:04:05 UTC")},
	}
	if req.Agent != "" {
		facts = append(facts, web.Fact{Name: "Calls itself", Value: req.Agent})
	}
	return facts
}

func (i *Issuer) byUserCode(ctx context.Context, letters string) (*Request, error) {
	req, err := i.store.RequestByID(ctx, userCodeID(letters))
	return i.timely(req, err, kindUserCode)
}

// match compares the number, and returns the page to touch a key on. A wrong
// number is one that its holder does not see: that is the end of the request.
func (i *Issuer) match(ctx context.Context, r *http.Request, letters, number string) (string, error) {
	req, err := i.byUserCode(ctx, letters)
	if err != nil {
		return "", err
	}
	if _, want := splitUserCode(req.UserCode); subtle.ConstantTimeCompare([]byte(want), []byte(number)) != 1 {
		if err := i.decide(ctx, r, req, nil, refuse(http.StatusBadRequest, "access_denied", "somebody typed another number than the one that the device shows")); err != nil {
			return "", err
		}
		return "", refuse(http.StatusBadRequest, "access_denied", "That is not the number of the device. For your safety it has to start again")
	}
	id := newSecret()
	approval := *req
	approval.ID, approval.Kind = HashOf(id), kindApproval
	if err := i.store.PutRequest(ctx, approval); err != nil {
		return "", fmt.Errorf("keeping an approval: %w", err)
	}
	return i.deviceURL + "/approve?" + url.Values{"request": {id.Reveal()}}.Encode(), nil
}

// approval is the page on which a person touches a key for a device. It
// implements [web.Visit].
type approval struct{ *Issuer }

// Prompt implements [web.Visit].
func (a approval) Prompt(r *http.Request) (web.Prompt, error) {
	id := r.URL.Query().Get("request")
	req, err := a.pending(r.Context(), id, kindApproval)
	if err == nil { // somebody else may have decided
		letters, _ := splitUserCode(req.UserCode)
		_, err = a.byUserCode(r.Context(), letters)
	}
	if err != nil {
		return web.Prompt{}, gone(err)
	}
	return web.Prompt{
		Title:    "Let this device sign in as you",
		Text:     "Whoever holds it can act as you for hours. Touch your key only if it is in front of you and shows this code.",
		Facts:    a.deviceFacts(req, req.UserCode),
		UserName: req.Subject,
		Suggest:  req.LoginHint,
		Cancel:   a.url.Path + "/device/deny?request=" + id,
	}, nil
}

// SignedIn implements [web.Visit].
func (a approval) SignedIn(_ http.ResponseWriter, r *http.Request, proof *fido.Proof) (string, error) {
	ctx := r.Context()
	req, err := a.take(ctx, r.URL.Query().Get("request"), kindApproval)
	if err != nil {
		return "", gone(err)
	}
	c := &call{remote: a.site.Remote(r)}
	value, err := a.assure(ctx, c, req, proof)
	ref, refused := errors.AsType[*refusal](err)
	if err != nil && !refused {
		return "", err
	}
	if err := a.decide(ctx, r, req, proof, ref); err != nil {
		return "", gone(err)
	}
	if refused {
		return "", &web.Refusal{Status: http.StatusForbidden, Code: ref.code, Description: ref.description}
	}
	if err := a.begun(ctx, req, proof, value, req.Device, req.Expires); err != nil {
		return "", err
	}
	return a.deviceURL + "/done", nil
}

// decide takes the request with the user code, so that one decision counts, and
// records it. With a refusal the device is told.
func (i *Issuer) decide(ctx context.Context, r *http.Request, req *Request, proof *fido.Proof, ref *refusal) error {
	letters, _ := splitUserCode(req.UserCode)
	taken, err := i.store.TakeRequest(ctx, userCodeID(letters))
	if taken, err = i.timely(taken, err, kindUserCode); err != nil {
		return err
	}
	if taken.Device != req.Device {
		return errGone
	}
	i.point("user code taken")
	e := audit.Event{Type: eventDevice, Outcome: audit.OK, ClientID: req.ClientID, RemoteAddr: i.site.Remote(r), Audience: req.Audience, Scope: req.Scope, Reason: "asked from " + req.Place}
	if proof != nil {
		e.User, e.CredentialHash = proof.User.Name, audit.HashID(proof.CredentialID)
	}
	if ref != nil {
		e.Outcome, e.Reason = audit.Denied, ref.description+"; "+e.Reason
	}
	if err := i.audit.Append(context.WithoutCancel(ctx), e); err != nil {
		return fmt.Errorf("recording a decision about a device: %w", err)
	}
	if ref == nil {
		return nil
	}
	told, err := i.store.TakeRequest(ctx, req.Device)
	if errors.Is(err, ErrNotFound) { // forgotten meanwhile, and so refused
		return nil
	}
	if err != nil {
		return fmt.Errorf("refusing a device: %w", err)
	}
	told.Error, told.ErrorDescription = ref.code, ref.description
	if err := i.store.PutRequest(ctx, *told); err != nil {
		return fmt.Errorf("refusing a device: %w", err)
	}
	return nil
}

// deny is the page's way out.
func (i *Issuer) deny(w http.ResponseWriter, r *http.Request) {
	req, err := i.take(r.Context(), r.URL.Query().Get("request"), kindApproval)
	if err == nil {
		err = i.decide(r.Context(), r, req, nil, refuse(http.StatusBadRequest, "access_denied", "the person declined"))
	}
	if err != nil {
		i.stay(w, r, err)
		return
	}
	i.site.Say(w, r, http.StatusOK, "Stopped", "The device was not let in. If you did not start this yourself, tell an administrator.")
}

func (i *Issuer) deviceDone(w http.ResponseWriter, r *http.Request) {
	i.site.Say(w, r, http.StatusOK, "The device may go on", "It has what it needs in a few seconds. You can close this page.")
}
