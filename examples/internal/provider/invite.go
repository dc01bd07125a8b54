package provider

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

// InviteLifetime is how long an enrolment link can be used.
const InviteLifetime = 24 * time.Hour

// Invite returns a link with which the person may register one key. They will be
// in the groups, or stay in those they are in if there are none.
func (p *Provider) Invite(ctx context.Context, user string, groups ...string) (secret.Value, error) {
	return invite(ctx, p.rp, p.url, user, groups)
}

// Invite does the same from outside a provider that is running on dsn. It cannot
// write to that provider's audit log, which one program writes at a time: the
// record of the invitation is the one of its use.
func Invite(ctx context.Context, dsn, user string, groups ...string) (_ secret.Value, err error) {
	db, err := openRunning(ctx, dsn)
	if err != nil {
		return secret.Value{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	address, err := db.url(ctx)
	if err != nil {
		return secret.Value{}, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return secret.Value{}, fmt.Errorf("reading the provider's URL: %v", err)
	}
	cfg := relyingParty(u, nil)
	cfg.InsecureNoAudit = true
	rp, err := fido.New(cfg, db.fido)
	if err != nil {
		return secret.Value{}, err
	}
	return invite(ctx, rp, address, user, groups)
}

// invite puts the secret behind a #, so that a browser does not send it and no
// server logs it.
func invite(ctx context.Context, rp *fido.RelyingParty, address, user string, groups []string) (secret.Value, error) {
	token, err := rp.InviteFor(ctx, fido.InviteRequest{UserName: user, TTL: InviteLifetime, Groups: groups, Act: fido.Act{By: "idp invite"}})
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(address + "/enroll#" + token.Reveal()), nil
}
