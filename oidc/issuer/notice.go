package issuer

import (
	"context"
	"fmt"

	"github.com/lakekey/lakekey/fido"
)

var _ fido.Notifier = (*Issuer)(nil)

// Notify ends what a key or a person carries here as soon as a relying party says
// that they are out of use: revoked, reported lost or quarantined, by whoever it was
// and for whatever reason, or blocked. Their next request would be refused anyway;
// clients that are told of the end of a session are told now. Other news changes
// nothing.
//
// It makes an Issuer a [fido.Notifier], for [fido.Config.Notifier]. The relying party
// is there before its issuer is: a program puts something in between that hands the
// news on, and hands it to others who want it.
func (i *Issuer) Notify(ctx context.Context, n fido.Notice) error {
	these, reason := outOfUse(n)
	if these.none() {
		return nil
	}
	if _, err := i.EndSessions(ctx, these, reason); err != nil {
		return fmt.Errorf("ending what %s was about: %w", n.Type, err)
	}
	return nil
}

// outOfUse says which sessions a piece of news ends, and why; none for most news.
func outOfUse(n fido.Notice) (these Sessions, reason string) {
	switch {
	case n.Credential != nil && n.Credential.State != fido.StateActive:
		return Sessions{CredentialID: n.Credential.ID}, "its key is " + string(n.Credential.State)
	case n.User.Blocked != "":
		return Sessions{UserName: n.User.Name}, "its person is blocked"
	}
	return Sessions{}, ""
}
