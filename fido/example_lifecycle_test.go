package fido_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

// newExampleParty is where the examples below take place, in the year 2031.
func newExampleParty(now *time.Time) *fido.RelyingParty {
	rp, err := fido.New(fido.Config{
		ID: "localhost", Origins: []string{"http://localhost:8080"}, InsecureNoAudit: true, Notifier: printer{}, Now: func() time.Time { return *now },
	}, fido.NewMemoryStore())
	if err != nil {
		panic(err)
	}
	return rp
}

// printer is a notifier that sends no mail.
type printer struct{}

func (printer) Notify(_ context.Context, n fido.Notice) error {
	fmt.Println("notice to", n.User.Name+":", n.Type)
	return nil
}

// registerKey registers a new software key.
func registerKey(ctx context.Context, rp *fido.RelyingParty, req fido.RegistrationRequest) *fido.Credential {
	key, err := softkey.New(softkey.Options{PIN: []byte("246810")})
	if err != nil {
		panic(err)
	}
	client := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{UI: typist{}})
	ceremony, err := rp.BeginRegistration(ctx, req)
	if err != nil {
		panic(err)
	}
	response, err := client.Create(ctx, "http://localhost:8080", ceremony.Options)
	if err != nil {
		panic(err)
	}
	c, err := rp.FinishRegistration(ctx, ceremony.ID, response)
	if err != nil {
		panic(err)
	}
	return c
}

// A lost key is revoked at once, and who held it stays answerable.
func ExampleRelyingParty_ReportLost() {
	ctx, now := context.Background(), time.Date(2031, 3, 1, 9, 0, 0, 0, time.UTC)
	rp := newExampleParty(&now)
	invite, err := rp.InviteFor(ctx, fido.InviteRequest{
		UserName: "ana@example.com", TTL: time.Hour, Groups: []string{"data"}, Act: fido.Act{By: "eve@example.com", Rationale: "joins the team"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := registerKey(ctx, rp, fido.RegistrationRequest{Invite: invite, Name: "the blue one"})

	now = now.AddDate(0, 0, 10)
	if _, err := rp.ReportLost(ctx, key.ID, fido.Act{By: "ana@example.com", Rationale: "left on the train"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("may sign in:", rp.Active(ctx, key.ID, true) == nil)

	for _, day := range []int{5, 20} {
		held := 0
		for c, err := range rp.HeldAt(ctx, time.Date(2031, 3, day, 0, 0, 0, 0, time.UTC)) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("held on day %d: %s, now %s (%s)\n", day, c.Name, c.State, c.StateReason)
			held++
		}
		fmt.Printf("keys held on day %d: %d\n", day, held)
	}

	// Output:
	// notice to ana@example.com: credential.registered
	// notice to ana@example.com: credential.reported-lost
	// may sign in: false
	// held on day 5: the blue one, now revoked (reported lost: left on the train)
	// keys held on day 5: 1
	// keys held on day 20: 0
}

// Recovery codes are for the day on which all keys are lost. They register a
// key, once each.
func ExampleRelyingParty_IssueRecoveryCodes() {
	ctx, now := context.Background(), time.Date(2031, 3, 1, 9, 0, 0, 0, time.UTC)
	rp := newExampleParty(&now)
	invite, err := rp.Invite(ctx, "ana@example.com", time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	first := registerKey(ctx, rp, fido.RegistrationRequest{Invite: invite})
	keys, err := rp.Keyring(ctx, first.UserHandle)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("needs another key:", keys.NeedsAnotherKey())

	codes, err := rp.IssueRecoveryCodes(ctx, first.UserHandle, 8, fido.Act{By: "ana@example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("printed once:", codes[0]) // a person prints codes[0].Reveal()
	now = now.AddDate(2, 0, 0)
	// What the person types in from paper.
	registerKey(ctx, rp, fido.RegistrationRequest{Invite: secret.New(codes[0].Reveal())})
	_, err = rp.BeginRegistration(ctx, fido.RegistrationRequest{Invite: codes[0]})
	fmt.Println("again:", errors.Is(err, fido.ErrInviteInvalid))

	// Output:
	// notice to ana@example.com: credential.registered
	// needs another key: true
	// notice to ana@example.com: recovery.issued
	// printed once: [redacted]
	// notice to ana@example.com: credential.registered
	// notice to ana@example.com: recovery.used
	// again: true
}

// What an administrator does about a key that may have been copied.
func ExampleRelyingParty_Quarantine() {
	ctx, now := context.Background(), time.Date(2031, 3, 1, 9, 0, 0, 0, time.UTC)
	rp := newExampleParty(&now)
	invite, err := rp.Invite(ctx, "ana@example.com", time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := registerKey(ctx, rp, fido.RegistrationRequest{Invite: invite})
	eve := fido.Act{By: "eve@example.com", Rationale: "was seen in two places"}
	if _, err := rp.Quarantine(ctx, key.ID, eve); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rp.Active(ctx, key.ID, true))
	_, err = rp.Release(ctx, key.ID, fido.Act{By: "ana@example.com", Rationale: "it was me"})
	fmt.Println(err)
	eve.Rationale = "it was a test"
	if _, err := rp.Release(ctx, key.ID, eve); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("may sign in:", rp.Active(ctx, key.ID, true) == nil)

	// Output:
	// notice to ana@example.com: credential.registered
	// notice to ana@example.com: credential.quarantined
	// fido: this key is quarantined until an administrator has looked at it; use another key, and ask one
	// fido: nobody approves, releases or unblocks for themselves; ask another administrator
	// notice to ana@example.com: credential.released
	// may sign in: true
}
