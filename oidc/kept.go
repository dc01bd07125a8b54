package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/internal/refresh"
	"github.com/lakekey/lakekey/internal/secret"
)

// kept is the part of a session that is in a Store. The entry is held for as long
// as a renewal takes, so that of many processes one renews and the others find
// what it got.
type kept struct {
	store Store
	name  string

	// spent and next are set while the store holds a refresh token that this
	// process has used and could not replace there. They are guarded by the
	// entry.
	spent, next secret.Value
}

// Resume returns the session that an equal request began, in this process or
// another, and that r.Store keeps. It opens nothing and asks nobody: if there is no
// such session, or no longer, it returns [*LoginRequiredError].
func Resume(ctx context.Context, p *Provider, r SignInRequest) (*Session, error) {
	if err := r.acceptable(); err != nil {
		return nil, err
	}
	if r.Store == nil {
		return nil, errors.New("oidc: SignInRequest.Store is nil: where is the session kept?")
	}
	k := &kept{store: r.Store, name: r.entryName(p.issuer)}
	e, err := k.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer e.Release()
	again := func(reason string) error { return &LoginRequiredError{Reason: reason, Command: r.LoginCommand} }
	rec, err := k.load(e, p.issuer, r.ClientID)
	switch {
	case err != nil:
		return nil, again(fmt.Sprintf("the kept session cannot be read: %v", err))
	case rec == nil:
		return nil, again("no session is kept for this request")
	case !p.now().Before(rec.Ends):
		_ = e.Save(nil) // it is over in any case
		return nil, again("the session ended at " + stamp(rec.Ends))
	}
	if err := r.Assurance.CheckMethod(rec.Proof); err != nil {
		return nil, again(fmt.Sprintf("the kept session is not good enough: %v", err))
	}
	held, err := rec.credentials()
	if err != nil {
		return nil, again(fmt.Sprintf("the kept session cannot be read: %v", err))
	}
	s := &Session{
		provider: p, clientID: r.ClientID, resource: r.Resource, command: r.LoginCommand,
		id: rec.ID, sid: rec.SID, subject: rec.Subject, nonce: rec.Nonce, acr: rec.ACR, authTime: rec.AuthTime, expires: rec.Ends, profile: r.Assurance, proof: rec.Proof,
		native: rec.Native, kept: k, tokens: map[string]*refresh.Cache[*IDToken]{},
	}
	s.credentials.Store(held)
	return s, nil
}

// reserve finds out whether a session can be kept, before a person is asked to
// sign in for it.
func (k *kept) reserve(ctx context.Context) error {
	e, err := k.hold(ctx)
	if err != nil {
		return err
	}
	defer e.Release()
	if err := e.Reserve(spare); err != nil {
		return fmt.Errorf("oidc: the session could not be kept: %v", err)
	}
	return nil
}

func (k *kept) hold(ctx context.Context) (Entry, error) {
	e, err := k.store.Hold(ctx, k.name)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("oidc: waiting for another process to leave the session: %w", ctx.Err())
	case err != nil:
		return nil, fmt.Errorf("oidc: opening the kept session: %v", err)
	}
	return e, nil
}

// load returns nil if nothing is kept.
func (k *kept) load(e Entry, issuer, clientID string) (*record, error) {
	data, err := e.Load()
	if err != nil || len(data) == 0 {
		return nil, err
	}
	return parseRecord(data, issuer, clientID)
}

func save(e Entry, r *record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return e.Save(data)
}

// keep puts a session that has just begun into the store, in the place of an older
// one, which is ended.
func (s *Session) keep(ctx context.Context, k *kept, first *IDToken) error {
	r := &record{
		Version: recordVersion, Issuer: s.provider.issuer, ClientID: s.clientID, ID: s.id, SID: s.sid, Subject: s.subject,
		Nonce: s.nonce, ACR: s.acr, Proof: s.proof, AuthTime: s.authTime, Ends: s.expires, Native: s.native,
	}
	if err := r.keep(s.credentials.Load()); err != nil {
		return err
	}
	r.add(first, s.provider.now())
	e, err := k.hold(ctx)
	if err != nil {
		return err
	}
	old, _ := k.load(e, s.provider.issuer, s.clientID) // what cannot be read is replaced
	err = save(e, r)
	e.Release()
	if err != nil {
		return fmt.Errorf("oidc: keeping the session: %v", err)
	}
	s.kept = k
	if old != nil && s.provider.now().Before(old.Ends) {
		if held, err := old.credentials(); err == nil {
			_ = s.revoke(ctx, held) // its own end comes anyway
		}
	}
	return nil
}

// renewKept is renew for a session that processes share.
func (s *Session) renewKept(ctx context.Context, audience string) (*IDToken, error) {
	e, err := s.kept.hold(ctx)
	if err != nil {
		return nil, unowned(ctx, err)
	}
	defer e.Release()
	r, err := s.kept.load(e, s.provider.issuer, s.clientID)
	switch {
	case err != nil:
		return nil, fmt.Errorf("oidc: reading the kept session: %v", err)
	case r == nil:
		return nil, s.end("another process ended the session")
	case r.ID != s.id:
		return nil, s.end("a later sign-in has taken the session's place")
	}
	now := s.provider.now()
	if t, ok := r.token(audience, now); ok {
		return t, nil // somebody else was faster
	}
	if !s.kept.spent.IsZero() && s.kept.spent.Equal(secret.New(r.RefreshToken)) {
		r.RefreshToken = s.kept.next.Reveal()
	}
	held, err := r.credentials()
	if err != nil {
		return nil, fmt.Errorf("oidc: reading the kept session: %v", err)
	}
	if known := s.credentials.Load(); known != nil && held.prover != nil && known.prover != nil && known.prover.thumbprint == held.prover.thumbprint {
		held.prover = known.prover // which knows the server's nonce
	}
	if s.credentials.Load() == nil {
		return nil, s.ended()
	}
	s.credentials.Store(held)
	if held.refreshToken.IsZero() {
		return nil, s.end("the issuer gave no refresh token")
	}
	return s.spend(ctx, e, r, held, audience)
}

// spend uses the refresh token of a record that is held, and writes down what
// comes of it at once. Before, it writes down that it is about to, and that there
// is room for the rest: what cannot be kept must not be asked for, because most
// issuers take a token that is used again for a stolen one, and end the session.
func (s *Session) spend(ctx context.Context, e Entry, r *record, held *credentials, audience string) (*IDToken, error) {
	before := r.Renewing
	r.Renewing = s.provider.now()
	err := save(e, r)
	if err == nil {
		err = e.Reserve(len(held.refreshToken.Reveal()) + spare)
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: the session was not renewed, because what it would become cannot be kept: %v", err)
	}
	form := s.refreshForm(held, audience)
	g, err := s.provider.grant(ctx, held.prover, form)
	if reason := finality(err, form); reason != "" {
		if !before.IsZero() {
			reason += fmt.Sprintf("; a renewal at %s was cut off, after which some issuers end a session", stamp(before))
		}
		_ = e.Save(nil) // nobody can use it any more
		return nil, s.end(reason)
	}
	if err != nil {
		if _, refused := errors.AsType[*ExchangeError](err); refused {
			r.Renewing = before
			_ = save(e, r) // at worst, the mark stays and says too much
		}
		return nil, unowned(ctx, err)
	}
	r.Renewing = time.Time{}
	if !g.refreshToken.IsZero() && !g.refreshToken.Equal(held.refreshToken) {
		next := &credentials{refreshToken: g.refreshToken, prover: held.prover}
		r.RefreshToken = g.refreshToken.Reveal()
		// Before anything else is done with the answer: what is lost here is lost
		// to every process.
		if save(e, r) == nil {
			s.kept.spent, s.kept.next = secret.Value{}, secret.Value{}
		} else {
			s.kept.spent, s.kept.next = held.refreshToken, g.refreshToken
		}
		s.credentials.CompareAndSwap(held, next)
	}
	t, err := s.renewed(ctx, g, audience)
	if err == nil {
		r.add(t, s.provider.now())
	} else if s.over.Load() != nil {
		_ = e.Save(nil)
		return nil, err
	}
	_ = save(e, r) // at worst, the next process renews again
	return t, err
}

// leave takes the session out of the store and returns what it was renewed with
// last.
func (s *Session) leave(ctx context.Context) (*credentials, error) {
	e, err := s.kept.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer e.Release()
	r, err := s.kept.load(e, s.provider.issuer, s.clientID)
	if err != nil || r == nil || r.ID != s.id {
		return nil, err
	}
	held, err := r.credentials()
	if err != nil {
		return nil, err
	}
	if err := e.Save(nil); err != nil {
		return held, fmt.Errorf("oidc: forgetting the kept session: %v", err)
	}
	return held, nil
}
