package web_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/browser"
)

// TestKindsOfKeys takes every kind of key that Chromium can simulate through the
// pages: its transport, whether it can name its owner and verify them, and the
// algorithm that it is asked for.
func TestKindsOfKeys(t *testing.T) {
	algorithms := []fido.Algorithm{fido.ES256, fido.EdDSA, fido.RS256}
	if testing.Short() {
		algorithms = algorithms[:1]
	}
	b := browser.Start(t)
	for _, algorithm := range algorithms {
		with := func(verification string, timeout time.Duration) *site {
			return newSite(t, options{fido: func(c *fido.Config) {
				c.Algorithms, c.UserVerification, c.CeremonyTimeout = []fido.Algorithm{algorithm}, verification, timeout
			}})
		}
		strict, lenient := with("required", 0), with("discouraged", 0)
		// Some keys that do not do Chromium ignores until the time is up.
		strictly, leniently := with("required", time.Second), with("discouraged", time.Second)
		for _, transport := range []string{"usb", "nfc", "internal"} {
			for _, resident := range []bool{true, false} {
				for _, verifies := range []bool{true, false} {
					kind := browser.KeyOptions{Transport: transport, Resident: resident, Verifies: verifies}
					t.Run(fmt.Sprintf("%v, %s, resident %t, verifies %t", algorithm, transport, resident, verifies), func(t *testing.T) {
						p := b.Page(t)
						key := p.PlugIn(kind)
						user := fmt.Sprintf("%s.%t.%t@example.com", transport, resident, verifies)
						refused := func(s *site) {
							begin(p, s.invite(t, user))
							p.Click("#registerform button")
							p.WaitFor("#wrong", "No key was registered")
							require.Empty(t, key.Credentials())
						}
						s := strict
						if !verifies {
							refused(strictly)
							s = lenient
						}
						if resident && !verifies && transport != "internal" { // Chromium asks such keys for nothing
							refused(leniently)
							return
						}
						enrol(p, s.invite(t, user), "Key")
						c := s.keys(t, user)[0]
						require.Equal(t, algorithm, c.Algorithm)
						require.Equal(t, resident, c.Discoverable)
						require.Equal(t, verifies, c.UserVerified)
						require.Equal(t, []string{transport}, c.Transports)

						p.Open(s.url + "/signin")
						if transport == "internal" && resident && verifies {
							p.WaitPath("/keys") // the passkey is offered in the field, and taken
							return
						}
						p.WaitPath("/signin")
						if !resident || !verifies { // without verifying, a key does not say whose it is
							p.Type("#user", user)
						}
						p.Click("#signin button")
						p.WaitPath("/keys")
					})
				}
			}
		}
	}
}
