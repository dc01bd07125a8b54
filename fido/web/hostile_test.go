package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/browser"
)

// Whoever has somebody's key and session begins to register a key of their own.
// Once the stolen key has been taken out of use they do not get to finish, by
// whichever path.
func TestAStolenKeyLeavesNoWayInBehind(t *testing.T) {
	lost := fido.Act{By: "admin@example.com", Rationale: "stolen"}
	for name, end := range map[string]func(*site, []byte) error{
		"key_revoked":     func(s *site, id []byte) error { _, err := s.rp.ReportLost(t.Context(), id, lost); return err },
		"key_quarantined": func(s *site, id []byte) error { _, err := s.rp.Quarantine(t.Context(), id, lost); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, options{})
			a := s.caller(t, ada)
			a.confirm()
			key, err := softkey.New(softkey.Options{PIN: []byte("123456")})
			require.NoError(t, err)
			thief := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{UI: pinUI{"123456"}})
			begin := func() map[string]any {
				begun := a.must("/keys/options", map[string]any{"name": "Spare"})
				response, err := thief.Create(t.Context(), s.url, []byte(quote(t, begun["options"])))
				require.NoError(t, err)
				return map[string]any{"ceremony": begun["ceremony"], "response": json.RawMessage(response)}
			}
			one, two := begin(), begin()
			require.NoError(t, end(s, s.keys(t, ada)[0].ID))
			status, code := a.says("/keys/credential", one)
			require.Equal(t, http.StatusUnauthorized, status)
			require.Equal(t, "signed_out", code)
			status, code = s.stranger(t).says("/enroll/credential", two)
			require.Equal(t, http.StatusForbidden, status)
			require.Equal(t, name, code)
			require.Len(t, s.keys(t, ada), 1)
		})
	}
}

// With a stolen key a thief has made recovery codes, which outlive it. An
// administrator takes them back.
func TestRecoveryCodesAreWithdrawn(t *testing.T) {
	s := newSite(t, options{})
	a, boss := s.caller(t, ada), s.caller(t, "boss@example.com", "admins")
	a.confirm()
	codes := a.must("/keys/recovery", map[string]any{})["codes"].([]any)
	begun := s.stranger(t).must("/enroll/options", map[string]any{"invite": codes[0]})
	boss.confirm()
	u, err := s.rp.UserByName(t.Context(), ada)
	require.NoError(t, err)
	boss.must("/admin/withdraw", map[string]any{"user": b64(u.Handle), "rationale": "these are links"})
	require.Contains(t, string(boss.do(http.MethodGet, "/admin/people/"+b64(u.Handle), "").body), "Withdraw codes")
	boss.must("/admin/withdraw-codes", map[string]any{"user": b64(u.Handle), "rationale": "her key was stolen"})
	_, code := s.stranger(t).says("/enroll/options", map[string]any{"invite": codes[1]})
	require.Equal(t, "invalid_invite", code)
	key, err := softkey.New(softkey.Options{PIN: []byte("123456")})
	require.NoError(t, err)
	thief := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{UI: pinUI{"123456"}})
	response, err := thief.Create(t.Context(), s.url, []byte(quote(t, begun["options"])))
	require.NoError(t, err)
	_, code = s.stranger(t).says("/enroll/credential", map[string]any{"ceremony": begun["ceremony"], "response": json.RawMessage(response)})
	require.Equal(t, "invalid_invite", code, "nor one that was being used")
	require.NotContains(t, string(boss.do(http.MethodGet, "/admin/people/"+b64(u.Handle), "").body), "Withdraw codes")
	require.Contains(t, s.events(t, ada), "recovery.withdrawn")
}

// Where more keys wait than a page shows, it says where they all are.
func TestManyKeysWait(t *testing.T) {
	s := newSite(t, options{})
	boss := s.caller(t, "boss@example.com", "admins")
	u, err := s.rp.UserByName(t.Context(), "boss@example.com")
	require.NoError(t, err)
	for n := range byte(51) {
		page := string(boss.do(http.MethodGet, "/admin", "").body)
		require.Equal(t, n >= 50, strings.Contains(page, "/admin/keys?state=pending"), n)
		require.NoError(t, s.store.AddCredential(t.Context(), fido.Credential{ID: []byte{n}, UserHandle: u.Handle, State: fido.StatePending}, fido.Addition{}))
	}
	require.NotContains(t, string(boss.do(http.MethodGet, "/admin", "").body), "state=quarantined")
}

// A replica whose clock is behind the one that saw a step-up believes it, and one
// of another day does not.
func TestAStepUpOutlivesASkewedClock(t *testing.T) {
	s := newSite(t, options{})
	a := s.caller(t, ada)
	a.confirm()
	s.clock.move(-2 * time.Second)
	require.Len(t, a.must("/keys/recovery", map[string]any{})["codes"], 10)
	s.clock.move(-5 * time.Minute)
	_, code := a.says("/keys/recovery", map[string]any{})
	require.Equal(t, "step_up_required", code)
}

// The name of a key is one line that people can see: it stands in mails, in
// tables and beside other keys.
func TestNamesAreOneVisibleLine(t *testing.T) {
	s := newSite(t, options{})
	a := s.caller(t, ada)
	id := b64(s.keys(t, ada)[0].ID)
	for _, name := range []string{"key\nBcc: eve@example.com", "key\r\n", "a\tb", "\u3164", "a\u115f", "\u200b", "a\u202eb", "a\u2028b", "\ufeff", "\U000e0041", " \u00a0 "} {
		status, code := a.says("/keys/rename", map[string]any{"credential": id, "name": "x" + name + "x"})
		require.Equal(t, http.StatusBadRequest, status, "%q", name)
		require.Equal(t, "invalid_value", code, "%q", name)
	}
	for _, name := range []string{"Ключ", "鍵 №1", "मेरी कुंजी", "Caf\u00e9 \U0001f5dd\ufe0f"} {
		require.Equal(t, name, a.must("/keys/rename", map[string]any{"credential": id, "name": name})["name"])
	}
	a.confirm()
	status, _ := a.says("/keys/lost", map[string]any{"credential": id, "rationale": "In the train to Delft,\nor at the station."})
	require.Equal(t, http.StatusOK, status, "what happened may take lines")
}

func TestSigningOutTakesJSON(t *testing.T) {
	s := newSite(t, options{})
	a := s.caller(t, ada)
	require.Equal(t, http.StatusUnsupportedMediaType, a.do(http.MethodPost, "/signout", "a=b", "Content-Type", "text/plain").status)
	require.Equal(t, http.StatusOK, a.do(http.MethodGet, "/keys", "").status)
	a.must("/signout", map[string]any{})
	require.Equal(t, http.StatusSeeOther, a.do(http.MethodGet, "/keys", "").status)
}

// A link that a mail program has mangled leads to the form, with words.
func TestAMangledLinkIsExplained(t *testing.T) {
	s := newSite(t, options{})
	p := browser.Start(t).Page(t)
	for _, mangled := range []string{"%", "%E0%A4", "abc%zz", strings.Repeat("A", 4000)} {
		p.Open(s.url + "/signin")
		p.Open(s.url + "/enroll#" + mangled)
		p.WaitFor("#wrong", "unknown, used or expired")
		p.WaitFor("#codeform", "Recovery code")
		var hash string
		p.Eval("location.hash", &hash)
		require.Empty(t, hash)
	}
}
