package authenticatortest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// This file holds the rows about which credential, key and origin may serve.

func clientSignsIn(t *trial, b *clientBench) {
	c, key := b.client(t, typing(), softkey.Options{})
	made := create(t, c, "alice")
	check(t, made.flags&flagUV == 0, "the user was verified, flags %02x", made.flags)
	used := get(t, c, made)
	check(t, used.flags&flagUV == 0 && used.user == "", "flags %02x, user handle %q", used.flags, used.user)
	check(t, key.Touches() == 2, "%d touches for two ceremonies", key.Touches())
}

// resident asks for a credential that is found without its ID.
var resident = set("authenticatorSelection.residentKey", "required")

func clientDiscovers(t *trial, b *clientBench) {
	c, _ := b.client(t, typing(), softkey.Options{})
	made := create(t, c, "alice", resident)
	text, err := c.Get(background(t), pageOrigin, getOptions(t, nil))
	must(t, err)
	used := proven(t, text, made)
	check(t, used.user == "alice", "user handle %q", used.user)
}

// ineligible demands that a key was refused for a reason.
func ineligible(t *trial, err, reason error) {
	t.Helper()
	var e *authenticator.IneligibleError
	check(t, errors.As(err, &e) && errors.Is(e.Reason, reason), "error %v, want an IneligibleError for %v", err, reason)
}

func clientExcludes(t *trial, b *clientBench) {
	c, _ := b.client(t, typing(), softkey.Options{})
	made := create(t, c, "alice")
	_, err := c.Create(background(t), pageOrigin, createOptions(t, "bob", set("excludeCredentials", listed(hash("stranger"), made.id))))
	ineligible(t, err, authenticator.ErrExcluded)
	create(t, c, "bob", set("excludeCredentials", listed(hash("stranger"))))
}

func clientKnowsNobody(t *trial, b *clientBench) {
	c, key := b.client(t, typing(), softkey.Options{})
	made := create(t, c, "alice", resident)
	for name, text := range map[string][]byte{
		"strangers":      getOptions(t, []raw{hash("one"), hash("two")}),
		"another RP ID":  getOptions(t, []raw{made.id}, set("rpId", "login.example.org")),
		"no list either": getOptions(t, nil, set("rpId", "login.example.org")),
	} {
		_, err := c.Get(background(t), pageOrigin, text)
		check(t, errors.Is(err, authenticator.ErrNoCredentials), "%s: error %v", name, err)
		ineligible(t, err, authenticator.ErrNoCredentials)
	}
	check(t, key.Touches() == 1, "%d touches for nothing", key.Touches()-1)
	text, err := c.Get(background(t), pageOrigin, getOptions(t, []raw{hash("one"), made.id}))
	must(t, err)
	proven(t, text, made)
}

func clientAlgorithms(t *trial, b *clientBench) {
	c, key := b.client(t, typing(), softkey.Options{})
	_, err := c.Create(background(t), pageOrigin, createOptions(t, "alice", set("pubKeyCredParams", []object{{"type": "public-key", "alg": -257}})))
	ineligible(t, err, authenticator.ErrUnsupportedAlgorithm)
	check(t, key.Touches() == 0, "%d touches for nothing", key.Touches())
}

func clientAccounts(t *trial, b *clientBench) {
	who := typing("1234", "1234", "1234")
	who.account = "alice@example.org"
	c, key := b.client(t, who, softkey.Options{PIN: []byte("1234")})
	alice := create(t, c, "alice", resident)
	create(t, c, "bob", resident)
	text, err := c.Get(background(t), pageOrigin, getOptions(t, nil, set("userVerification", "required")))
	must(t, err)
	used := proven(t, text, alice)
	check(t, used.user == "alice", "user handle %q", used.user)
	check(t, len(who.offered) == 1 && len(who.offered[0]) == 2, "accounts offered: %v", who.offered)
	bob := who.offered[0][0]
	check(t, bob.Name == "bob@example.org" && bob.DisplayName == "bob" && string(bob.ID) == "bob", "the newest account is offered as %+v", bob)
	check(t, key.Touches() == 3, "%d touches for three ceremonies", key.Touches())
}

func clientChoiceless(t *trial, b *clientBench) {
	c, _ := b.client(t, nil, softkey.Options{})
	create(t, c, "alice", resident)
	create(t, c, "bob", resident)
	_, err := c.Get(background(t), pageOrigin, getOptions(t, nil))
	isError(t, err, authenticator.ErrChoiceRequired)
}

func clientKeyless(t *trial, b *clientBench) {
	for _, who := range []*person{nil, typing()} { // nobody, and somebody who has no key
		c := b.clientOf(t, who)
		_, err := c.Create(background(t), pageOrigin, createOptions(t, "alice"))
		isError(t, err, authenticator.ErrNoDevice)
		_, err = c.Get(background(t), pageOrigin, getOptions(t, nil))
		isError(t, err, authenticator.ErrNoDevice)
	}
}

// twoKeys are plugged in, the first with a credential.
// hand is a person's, at one of two keys. It touches that key when both blink, so that
// after a move it cannot touch what the ceremony before is still cancelling.
type hand struct {
	mu       sync.Mutex
	changed  sync.Cond
	blinking [2]bool
	at       int
	hasty    bool // touches its key when that alone blinks
}

func newHand() *hand {
	h := &hand{}
	h.changed.L = &h.mu
	return h
}

// touch is the Touch of software key i.
func (h *hand) touch(i int) func(context.Context) error {
	return func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed.Broadcast()
		})()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.blinks(i, true)
		defer h.blinks(i, false)
		for ctx.Err() == nil && (h.at != i || !h.hasty && !h.blinking[1-i]) {
			h.changed.Wait()
		}
		return ctx.Err()
	}
}

func (h *hand) blinks(i int, now bool) {
	h.blinking[i] = now
	h.changed.Broadcast()
}

// move brings the hand to key i once neither blinks any more.
func (h *hand) move(i int, hasty bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.blinking[0] || h.blinking[1] {
		h.changed.Wait()
	}
	h.at, h.hasty = i, hasty
}

func twoKeys(t *trial, b *clientBench) (c Ceremonies, made *credential, keys [2]*softkey.Key, h *hand) {
	t.Helper()
	h = newHand()
	for i := range keys {
		key, err := softkey.New(softkey.Options{Touch: h.touch(i)})
		must(t, err)
		t.Cleanup(func() { key.Close() })
		keys[i] = key
	}
	c = b.clientOf(t, typing(), keys[0], keys[1])
	return c, create(t, c, "alice"), keys, h
}

func clientTouchChooses(t *trial, b *clientBench) {
	c, made, keys, h := twoKeys(t, b)
	check(t, keys[0].Touches() == 1 && keys[1].Touches() == 0, "%d and %d touches", keys[0].Touches(), keys[1].Touches())
	h.move(1, false)
	create(t, c, "bob", set("excludeCredentials", listed(made.id)))
	check(t, keys[0].Touches() == 1 && keys[1].Touches() == 1, "%d and %d touches", keys[0].Touches(), keys[1].Touches())
	h.move(0, true) // the other need not blink: not every backend asks it what it holds
	get(t, c, made)
	check(t, keys[0].Touches() == 2 && keys[1].Touches() == 1, "%d and %d touches", keys[0].Touches(), keys[1].Touches())
}

func clientWrongKey(t *trial, b *clientBench) {
	c, made, _, h := twoKeys(t, b)
	h.move(1, false)
	ctx, cancel := context.WithTimeout(context.Background(), 3*second)
	defer cancel()
	_, err := c.Get(ctx, pageOrigin, getOptions(t, []raw{made.id}))
	ineligible(t, err, authenticator.ErrNoCredentials)
	h.move(0, true)
	get(t, c, made)
}

func clientCredProps(t *trial, b *clientBench) {
	c, _ := b.client(t, typing(), softkey.Options{})
	wish := set("extensions.credProps", true)
	with, without := create(t, c, "alice", resident, wish), create(t, c, "bob", wish)
	check(t, string(with.results["credProps"]) == `{"rk":true}` && string(without.results["credProps"]) == `{"rk":false}`,
		"results %s and %s", with.results, without.results)
	check(t, len(create(t, c, "carol").results) == 0, "results that nobody asked for")
}

func clientCredProtect(t *trial, b *clientBench) {
	c, _ := b.client(t, typing("1234", "1234"), softkey.Options{PIN: []byte("1234")})
	made := create(t, c, "alice", set("authenticatorSelection.userVerification", "required"),
		set("extensions.credentialProtectionPolicy", "userVerificationRequired"), set("extensions.enforceCredentialProtectionPolicy", true))
	var outputs struct {
		CredProtect int `cbor:"credProtect"`
	}
	must(t, cbor.Unmarshal(made.extensions, &outputs))
	check(t, outputs.CredProtect == 3, "protected at level %d", outputs.CredProtect)
	_, err := c.Get(background(t), pageOrigin, getOptions(t, []raw{made.id}))
	ineligible(t, err, authenticator.ErrNoCredentials)
	get(t, c, made, set("userVerification", "required"))
}

func clientPRF(t *trial, b *clientBench) {
	c, _ := b.client(t, typing("1234", "1234", "1234"), softkey.Options{PIN: []byte("1234")})
	made := create(t, c, "alice", set("extensions.prf", object{}))
	check(t, string(made.results["prf"]) == `{"enabled":true}`, "result of the registration: %s", made.results["prf"])
	evaluate := func(input string) []byte {
		used := get(t, c, made, set("extensions.prf.eval.first", raw(input)))
		check(t, used.flags&flagUV != 0, "the user was not verified")
		var out struct{ Results struct{ First raw } }
		must(t, json.Unmarshal(used.results["prf"], &out))
		check(t, len(out.Results.First) == 32, "result of the sign-in: %s", used.results["prf"])
		return out.Results.First
	}
	one, other := evaluate("one"), evaluate("other")
	check(t, !bytes.Equal(one, other) && bytes.Equal(one, evaluate("one")), "it is no function of its input")
}

func clientUnknownExtensions(t *trial, b *clientBench) {
	c, _ := b.client(t, typing(), softkey.Options{})
	wish := set("extensions", object{"uvm": true, "example.org/new": object{"a": []int{1, 2}}})
	made := create(t, c, "alice", wish)
	check(t, len(made.results) == 0, "results %s", made.results)
	check(t, len(get(t, c, made, wish).results) == 0, "results of a sign-in")
}

func clientOrigins(t *trial, b *clientBench) {
	who := typing()
	c, key := b.client(t, who, softkey.Options{})
	for _, test := range []struct{ name, origin, rpID string }{
		{"another site", "https://example.com", rpID},
		{"a look-alike", "https://example.org.evil.example", rpID},
		{"a suffix that is no parent", "https://notexample.org", rpID},
		{"http", "http://login.example.org", rpID},
		{"a public suffix", pageOrigin, "org"},
		{"a child of its host", pageOrigin, "deep.login.example.org"},
		{"an address", "https://192.0.2.1", "192.0.2.1"},
		{"no origin", "example.org", rpID},
		{"a page instead of an origin", pageOrigin + "/login", rpID},
		{"an opaque origin", "null", rpID},
	} {
		_, err := c.Create(background(t), test.origin, createOptions(t, "alice", set("rp.id", test.rpID)))
		check(t, errors.Is(err, authenticator.ErrOrigin), "%s registers: error %v", test.name, err)
		_, err = c.Get(background(t), test.origin, getOptions(t, nil, set("rpId", test.rpID)))
		check(t, errors.Is(err, authenticator.ErrOrigin), "%s signs in: error %v", test.name, err)
	}
	check(t, key.Touches() == 0 && len(who.touched) == 0, "the key was woken for one of them")
}

func clientNonsense(t *trial, b *clientBench) {
	who := typing()
	c, key := b.client(t, who, softkey.Options{})
	for name, change := range map[string]func(object){
		"no challenge":            set("challenge", ""),
		"a challenge in padding":  set("challenge", "AAA="),
		"a number for a name":     set("rp.name", 1),
		"no user":                 set("user.id", ""),
		"a long user":             set("user.id", raw(make([]byte, 65))),
		"a credential without ID": set("excludeCredentials", listed(nil)),
	} {
		_, err := c.Create(background(t), pageOrigin, createOptions(t, "alice", change))
		check(t, err != nil, "%s was taken", name)
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "no object": []byte(`[1]`), "half an object": []byte(`{"challenge":"AAAA"`), "something after it": []byte(`{"challenge":"AAAA"}{}`),
		"no challenge":            getOptions(t, nil, set("challenge", "")),
		"a credential without ID": getOptions(t, []raw{nil}),
		"a list of other things":  getOptions(t, nil, set("allowCredentials", []object{{"type": "other", "id": "AAAA"}})),
	} {
		_, err := c.Get(background(t), pageOrigin, text)
		check(t, err != nil, "%s was taken", name)
	}
	check(t, key.Touches() == 0 && len(who.touched) == 0, "the key was woken for nonsense")
}
