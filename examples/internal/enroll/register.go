package enroll

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/internal/origin"
)

// Key creates a credential; *authenticator.Client is one.
type Key interface {
	Create(ctx context.Context, origin string, options []byte) ([]byte, error)
}

// Registered is what the provider says about the new credential.
type Registered struct {
	User         string `json:"user"`
	CredentialID string `json:"credential_id"`
	AAGUID       string `json:"aaguid"`
	Attestation  string `json:"attestation"`
}

// Register registers key through link, which idp invite printed. It waits for
// one touch.
func Register(ctx context.Context, link string, key Key) (*Registered, error) {
	base, invite, err := Parse(link)
	if err != nil {
		return nil, err
	}
	var begun struct {
		Ceremony string          `json:"ceremony"`
		Options  json.RawMessage `json:"options"`
	}
	if err := post(ctx, base+"/enroll/options", map[string]string{"invite": invite}, &begun); err != nil {
		return nil, err
	}
	at, err := origin.Parse(base)
	if err != nil {
		return nil, err
	}
	response, err := key.Create(ctx, at, begun.Options)
	if err != nil {
		return nil, err
	}
	var done Registered
	err = post(ctx, base+"/enroll/credential", map[string]any{"ceremony": begun.Ceremony, "response": json.RawMessage(response)}, &done)
	if err != nil {
		return nil, err
	}
	for _, text := range []*string{&done.User, &done.CredentialID, &done.AAGUID, &done.Attestation} {
		*text = cli.Shown(*text)
	}
	return &done, nil
}

// Parse takes a link apart without ever repeating the secret in it, which goes
// nowhere in the clear: the link must be https, or on loopback.
func Parse(link string) (base, invite string, err error) {
	address, invite, found := strings.Cut(link, "#")
	base, isEnroll := strings.CutSuffix(address, "/enroll")
	if _, perr := origin.Parse(base); perr != nil && found && isEnroll {
		return "", "", fmt.Errorf("the enrolment link: %w", perr)
	}
	if !found || invite == "" || !isEnroll || !strings.Contains(base, "://") {
		return "", "", errors.New("that is not a whole enrolment link: it looks like https://HOST/enroll#SECRET; quote it, so that the shell does not take the # for a comment")
	}
	return base, invite, nil
}

func post(ctx context.Context, address string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("writing the request: %v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the enrolment link: %v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{
		Timeout: 30 * time.Second,
		// The invitation goes to the host of the link and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("reaching the provider: %v", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the provider's answer: %v", err)
	}
	if res.StatusCode != http.StatusOK {
		var refusal struct {
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal(answer, &refusal) != nil || refusal.Code == "" {
			return fmt.Errorf("%s answered %s, which is not what an enrolment page answers: is the link right?", req.URL.Host, res.Status)
		}
		return fmt.Errorf("the provider refused: %s (%s)", cli.Shown(refusal.Description), cli.Shown(refusal.Code))
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the provider's answer: %v", err)
	}
	return nil
}
