package fido_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/secret"
)

func TestRecoveryCodes(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, store)
			lost := newForge(t, fido.EdDSA)
			enrol(t, h.RelyingParty, ana, lost)
			issue := func() []secret.Value {
				codes, err := h.IssueRecoveryCodes(t.Context(), lost.handle, 3, fido.Act{By: ana})
				require.NoError(t, err)
				require.Len(t, codes, 3)
				return codes
			}
			void := issue()
			h.inbox.types()
			codes := issue()
			require.Equal(t, 3, h.inbox.notices[0].RecoveryCodes)
			require.Equal(t, []string{"recovery.issued"}, h.inbox.types())

			seen := map[string]bool{}
			for _, code := range append(codes, void...) {
				require.Regexp(t, `^([A-Z2-7]{4}-){6}[A-Z2-7]{4}$`, code.Reveal(), "28 characters of base32 are 140 bits")
				require.False(t, seen[code.Reveal()])
				seen[code.Reveal()] = true
				require.NotContains(t, fmt.Sprintf("%v %+v %#v", code, code, codes), code.Reveal())
			}
			// A code does not sign in: it is no ceremony and no key.
			_, err := h.FinishSignIn(t.Context(), codes[0], fido.PurposeSignIn, []byte("{}"))
			require.ErrorIs(t, err, fido.ErrCeremonyNotFound)
			for _, code := range void {
				_, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: code})
				require.ErrorIs(t, err, fido.ErrInviteInvalid, "older codes are void")
			}
			require.Len(t, recorded(t, h.log, "recovery.failed"), 3)

			// Years later, typed in from paper.
			h.at = h.at.AddDate(7, 0, 0)
			typed := strings.NewReplacer("-", " ", "O", "0", "I", "1", "B", "8").Replace(strings.ToLower(codes[0].Reveal()))
			c, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: secret.New(typed), RemoteAddr: "192.0.2.3"})
			require.NoError(t, err)
			key := newForge(t, fido.EdDSA)
			_, err = h.FinishRegistration(t.Context(), c.ID, key.register(t, c.Options))
			require.NoError(t, err)
			require.Len(t, h.inbox.notices, 2)
			require.Equal(t, []any{2, "192.0.2.3", key.id}, []any{h.inbox.notices[1].RecoveryCodes, h.inbox.notices[1].Act.RemoteAddr, h.inbox.notices[1].Credential.ID})
			require.Equal(t, []string{"credential.registered", "recovery.used"}, h.inbox.types())
			require.Len(t, recorded(t, h.log, "recovery.used"), 1)
			_, err = signIn(t, h.RelyingParty, ana, key)
			require.NoError(t, err)

			_, err = h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: codes[0]})
			require.ErrorIs(t, err, fido.ErrInviteInvalid, "once")

			// Only hashes are stored and nothing is in the log.
			all := strings.Join(lines(t, h.log), "\n")
			for code := range seen {
				require.NotContains(t, all, code)
				require.NotContains(t, all, strings.ReplaceAll(code, "-", ""))
			}
		})
	}
}

// Of many who use one code at the same time, with ceremonies of their own, one
// gets a key.
func TestRecoveryCodeUsedByMany(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, store)
			lost := newForge(t, fido.EdDSA)
			enrol(t, h.RelyingParty, ana, lost)
			for range 10 {
				codes, err := h.IssueRecoveryCodes(t.Context(), lost.handle, 2, eve)
				require.NoError(t, err)
				h.inbox.types()
				ceremonies := make(chan *fido.Ceremony, 16)
				for range cap(ceremonies) {
					c, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: codes[0]})
					require.NoError(t, err)
					ceremonies <- c
				}
				raceFinish(t, cap(ceremonies), func() error {
					c := <-ceremonies
					_, err := h.FinishRegistration(t.Context(), c.ID, newForge(t, fido.EdDSA).register(t, c.Options))
					return err
				}, fido.ErrInviteInvalid)
				require.Equal(t, []string{"credential.registered", "recovery.used"}, h.inbox.types())
				ring, err := h.Keyring(t.Context(), lost.handle)
				require.NoError(t, err)
				require.Equal(t, 1, ring.RecoveryCodes)
			}
		})
	}
}

func TestNumberOfRecoveryCodes(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	for _, n := range []int{-1, 0, 21} {
		_, err := h.IssueRecoveryCodes(t.Context(), key.handle, n, eve)
		var invalid *fido.InvalidError
		require.ErrorAs(t, err, &invalid)
	}
	_, err := h.IssueRecoveryCodes(t.Context(), []byte("nobody"), 1, eve)
	require.ErrorIs(t, err, fido.ErrNotFound)
}

// An enrolment link is never taken for a code, nor the reverse.
func TestInvitationsStayApart(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	invite, err := h.Invite(t.Context(), ana, time.Hour)
	require.NoError(t, err)
	for _, other := range []string{strings.ToLower(invite.Reveal()), strings.ToUpper(invite.Reveal()), invite.Reveal() + "-", " " + invite.Reveal()} {
		_, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: secret.New(other)})
		require.ErrorIs(t, err, fido.ErrInviteInvalid)
	}
	_, err = h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
	require.NoError(t, err)
	require.Empty(t, recorded(t, h.log, "recovery.failed"))
	_, err = h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: secret.New(strings.Repeat("a", 1<<20))})
	require.ErrorIs(t, err, fido.ErrInviteInvalid)
}

// A link that went astray is void; recovery codes and the links after it are not.
func TestInvitesAreWithdrawn(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, store)
			var links []secret.Value
			for range 2 {
				link, err := h.Invite(t.Context(), ana, time.Hour)
				require.NoError(t, err)
				links = append(links, link)
			}
			other, err := h.Invite(t.Context(), ben, time.Hour)
			require.NoError(t, err)
			u, err := h.UserByName(t.Context(), ana)
			require.NoError(t, err)
			codes, err := h.IssueRecoveryCodes(t.Context(), u.Handle, 1, eve)
			require.NoError(t, err)
			begun, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: links[0]})
			require.NoError(t, err)

			n, err := h.WithdrawInvites(t.Context(), u.Handle, eve)
			require.NoError(t, err)
			require.Equal(t, 2, n)
			require.Len(t, recorded(t, h.log, "invite.withdrawn"), 2, "intent and result")
			for _, link := range links {
				_, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: link})
				require.ErrorIs(t, err, fido.ErrInviteInvalid)
			}
			_, err = h.FinishRegistration(t.Context(), begun.ID, newForge(t, fido.EdDSA).register(t, begun.Options))
			require.ErrorIs(t, err, fido.ErrInviteInvalid, "also of a ceremony under way")
			n, err = h.WithdrawInvites(t.Context(), u.Handle, eve)
			require.NoError(t, err)
			require.Zero(t, n)

			again, err := h.Invite(t.Context(), ana, time.Hour)
			require.NoError(t, err)
			for _, good := range []secret.Value{again, other, codes[0]} {
				_, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: good})
				require.NoError(t, err)
			}
			_, err = h.WithdrawInvites(t.Context(), []byte("nobody"), eve)
			require.ErrorIs(t, err, fido.ErrNotFound)
			_, err = h.WithdrawInvites(t.Context(), u.Handle, fido.Act{By: "eve@example.com"})
			require.Error(t, err, "why?")
		})
	}
}

func FuzzRecoveryCode(f *testing.F) {
	for _, s := range []string{"ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23", "abcd efgh ijkl mnop qrst uvwx yz23", "0181", "", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := fido.RecoveryCode(secret.New(typed))
		if !ok {
			return
		}
		require.Regexp(t, `^[A-Z2-7]{28}$`, code)
		again, ok := fido.RecoveryCode(secret.New(code))
		require.True(t, ok)
		require.Equal(t, code, again, "one code has one spelling")
	})
}
