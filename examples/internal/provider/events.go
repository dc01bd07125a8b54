package provider

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/caep"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// addEvents lets the others push their security events to /events/NAME.
func (p *Provider) addEvents(mux *http.ServeMux, others []other, logger *slog.Logger) error {
	for _, o := range others {
		if o.events == nil {
			continue
		}
		receiver, err := caep.NewReceiver(*o.events, p.obey(o.name, logger), caep.Options{Logger: logger})
		if err != nil {
			return fmt.Errorf("-providers: %s: %w", o.name, err)
		}
		mux.Handle("/events/"+o.name, authorized(o.authorization, receiver))
	}
	return nil
}

// obey ends a person's sessions here because another provider has ended theirs there,
// or because what they sign in with there has changed.
func (p *Provider) obey(name string, logger *slog.Logger) func(context.Context, caep.Event) error {
	return func(ctx context.Context, e caep.Event) error {
		why := name + " says that a session of its person was revoked there"
		if e.Kind == caep.CredentialChange {
			why = name + " says that a credential of its person was changed there"
		}
		if e.Subject.Email == "" {
			logger.WarnContext(ctx, "a security event does not say by mail address whom it is about: nothing was ended", "provider", name, "token", e.TokenID)
			return nil
		}
		person, err := p.rp.UserByName(ctx, e.Subject.Email)
		if _, invalid := errors.AsType[*fido.InvalidError](err); invalid || errors.Is(err, fido.ErrNotFound) {
			return nil // nobody has that name here
		}
		if err != nil {
			return err
		}
		_, err = p.issuer.EndSessions(ctx, issuer.Sessions{UserName: person.Name}, why)
		return err
	}
}

// authorized lets requests through whose Authorization header has that hash; nil: all.
// RFC 8935 §2: the transmitter "MAY" authenticate itself so; what counts is the
// signature of what it sends.
// https://www.rfc-editor.org/rfc/rfc8935#section-2
func authorized(hash []byte, h http.Handler) http.Handler {
	if hash == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sum := sha256.Sum256([]byte(r.Header.Get("Authorization"))); subtle.ConstantTimeCompare(sum[:], hash) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "that is not the Authorization that this stream was given", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
