package mds_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

var b64 = base64.RawURLEncoding

func TestEveryAlgorithm(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256", "PS256"} {
		ca := mdstest.New(t, mdstest.Options{Algorithm: algorithm})
		blob := ca.Blob(t, payload(7))
		b, err := mds.Parse(blob, mds.ParseOptions{Roots: ca.Roots()})
		require.NoError(t, err, algorithm)
		require.Equal(t, 7, b.Number)
		require.Equal(t, sha256.Sum256(blob), b.Digest)
		e, ok := b.Entry(model)
		require.True(t, ok)
		require.Equal(t, "Key", e.Description)

		_, err = mds.Parse(append(blob, "\r\n"...), mds.ParseOptions{Roots: ca.Roots()})
		require.NoError(t, err, "a text file ends with a line break")
	}
}

// TestEveryByteCounts flips every byte of a blob in turn.
func TestEveryByteCounts(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	blob := ca.Blob(t, mdstest.Payload{Number: 7})
	for i := range blob {
		for _, change := range []byte{1, 0x20, 0x80} {
			forged := bytes.Clone(blob)
			forged[i] ^= change
			b, err := mds.Parse(forged, mds.ParseOptions{Roots: ca.Roots()})
			require.Error(t, err, "byte %d of %d, changed by %#x", i, len(blob), change)
			require.Nil(t, b)
		}
	}
	for i := range blob {
		b, err := mds.Parse(blob[:i], mds.ParseOptions{Roots: ca.Roots()})
		require.Error(t, err, "cut off after %d bytes", i)
		require.Nil(t, b)
	}
}

func TestForgedHeader(t *testing.T) {
	ca, rogue := mdstest.New(t, mdstest.Options{}), mdstest.New(t, mdstest.Options{})
	rsaCA := mdstest.New(t, mdstest.Options{Algorithm: "RS256"})
	text, err := json.Marshal(payload(7))
	require.NoError(t, err)
	chain := mdstest.X5C(ca.Chain()...)
	with := func(name string, value any) map[string]any {
		h := ca.Header()
		h[name] = value
		return h
	}
	without := func(name string) map[string]any {
		h := ca.Header()
		delete(h, name)
		return h
	}
	for name, c := range map[string]struct {
		header map[string]any
		check  string
	}{
		"no alg":         {without("alg"), "header"},
		"alg none":       {with("alg", "none"), "header"},
		"alg HS256":      {with("alg", "HS256"), "header"},
		"alg ES384":      {with("alg", "ES384"), "header"},
		"alg lower case": {with("alg", "es256"), "header"},
		"alg null":       {with("alg", nil), "header"},
		"RS256 with an EC key": {
			with("alg", "RS256"), "signature"},
		"PS256 with an EC key":        {with("alg", "PS256"), "signature"},
		"typ of another token":        {with("typ", "at+jwt"), "header"},
		"crit":                        {with("crit", []string{"b64"}), "header"},
		"no x5c":                      {without("x5c"), "header"},
		"empty x5c":                   {with("x5c", []string{}), "header"},
		"x5u alone":                   {map[string]any{"alg": "ES256", "x5u": "https://mds3.fidoalliance.org/chain.pem"}, "header"},
		"x5c a text":                  {with("x5c", chain[0]), "header"},
		"x5c too long":                {with("x5c", []string{chain[0], chain[1], chain[1], chain[1], chain[1], chain[1], chain[1], chain[1], chain[1]}), "header"},
		"x5c not base64":              {with("x5c", []string{"*"}), "certificate"},
		"x5c base64url":               {with("x5c", []string{b64.EncodeToString(ca.Chain()[0].Raw), chain[1]}), "certificate"},
		"x5c not a certificate":       {with("x5c", []string{"AAAA"}), "certificate"},
		"the signer is missing":       {with("x5c", chain[1:2]), "chain"},
		"the intermediate is missing": {with("x5c", chain[:1]), "chain"},
		"swapped":                     {with("x5c", []string{chain[1], chain[0]}), "chain"},
		"the root signs itself":       {with("x5c", chain[2:]), "chain"},
		"another's signer":            {with("x5c", mdstest.X5C(rogue.Chain()[0], ca.Chain()[1])), "chain"},
		"a rogue authority":           {with("x5c", mdstest.X5C(rogue.Chain()[:2]...)), "chain"},
		// GHSA-6hxq-p678-4hr2: the blob brings the root that vouches for it.
		"a rogue authority with its root": {with("x5c", mdstest.X5C(rogue.Chain()...)), "chain"},
		"and with ours after it":          {with("x5c", mdstest.X5C(append(rogue.Chain(), ca.Chain()[1:]...)...)), "chain"},
	} {
		t.Run(name, func(t *testing.T) {
			signer := ca
			if strings.HasPrefix(name, "a rogue") || strings.HasPrefix(name, "and with") {
				signer = rogue
			}
			b, err := mds.Parse(signer.Sign(t, c.header, text), mds.ParseOptions{Roots: ca.Roots()})
			requireRefused(t, b, err, c.check)
		})
	}
	t.Run("ES256 with an RSA key", func(t *testing.T) {
		h := rsaCA.Header()
		h["alg"] = "ES256"
		b, err := mds.Parse(rsaCA.Sign(t, h, text), mds.ParseOptions{Roots: rsaCA.Roots()})
		requireRefused(t, b, err, "signature")
	})
	t.Run("PS256 for RS256", func(t *testing.T) {
		h := rsaCA.Header()
		h["alg"] = "PS256"
		b, err := mds.Parse(rsaCA.Sign(t, h, text), mds.ParseOptions{Roots: rsaCA.Roots()})
		requireRefused(t, b, err, "signature")
	})
	t.Run("signed by another key", func(t *testing.T) {
		b, err := mds.Parse(rogue.Sign(t, ca.Header(), text), mds.ParseOptions{Roots: ca.Roots()})
		requireRefused(t, b, err, "signature")
	})
	t.Run("HMAC with the public key", func(t *testing.T) {
		h, err := json.Marshal(with("alg", "HS256"))
		require.NoError(t, err)
		signed := b64.EncodeToString(h) + "." + b64.EncodeToString(text)
		mac := hmac.New(sha256.New, ca.Chain()[0].RawSubjectPublicKeyInfo)
		mac.Write([]byte(signed))
		b, err := mds.Parse([]byte(signed+"."+b64.EncodeToString(mac.Sum(nil))), mds.ParseOptions{Roots: ca.Roots()})
		requireRefused(t, b, err, "header")
	})
	t.Run("x5u is not followed", func(t *testing.T) {
		_, err := mds.Parse(ca.Sign(t, with("x5u", "https://rogue.example/chain.pem"), text), mds.ParseOptions{Roots: ca.Roots()})
		require.NoError(t, err, "x5c is there")
	})
	t.Run("members twice", func(t *testing.T) {
		for _, second := range []string{`"alg":"ES256"`, `"x5c":[]`, `"ALG":"none"`, `"crit":["x"]`} {
			h, err := json.Marshal(ca.Header())
			require.NoError(t, err)
			h = append(h[:len(h)-1], ","+second+"}"...)
			b, err := mds.Parse(ca.SignText(t, h, text), mds.ParseOptions{Roots: ca.Roots()})
			requireRefused(t, b, err, "header")
		}
	})
	t.Run("not an object", func(t *testing.T) {
		for _, h := range []string{"", "[]", "null", `"x"`, "{", `{} {}`} {
			b, err := mds.Parse(ca.SignText(t, []byte(h), text), mds.ParseOptions{Roots: ca.Roots()})
			requireRefused(t, b, err, "header")
		}
	})
}

func TestForgedForm(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	blob := string(ca.Blob(t, payload(7)))
	parts := strings.Split(blob, ".")
	sig, err := b64.DecodeString(parts[2])
	require.NoError(t, err)
	head, body := parts[0]+".", parts[0]+"."+parts[1]+"."
	for name, forged := range map[string]string{
		"empty":                 "",
		"two parts":             strings.TrimSuffix(body, "."),
		"four parts":            blob + ".",
		"a space in front":      " " + blob,
		"padding":               blob + "=",
		"a line break inside":   head + "\n" + parts[1] + "." + parts[2],
		"a line break between":  blob[:10] + "\r\n" + blob[10:],
		"bits beyond the last":  blob[:len(blob)-1] + string(flipLastBit(blob[len(blob)-1])),
		"the other base64":      "++++" + blob,
		"JSON serialization":    `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"too long":              strings.Repeat("A", 33<<20),
		"no signature":          body,
		"DER signature":         body + b64.EncodeToString(append([]byte{0x30, 0x44}, sig...)),
		"zero signature":        body + b64.EncodeToString(make([]byte, 64)),
		"short signature":       body + b64.EncodeToString(sig[:63]),
		"a line break at last":  blob[:len(blob)-5] + "\n" + blob[len(blob)-5:],
		"a zero between":        body + b64.EncodeToString(append(append(bytes.Clone(sig[:32]), 0), sig[32:]...)),
		"long signature":        body + b64.EncodeToString(append(sig, 0)),
		"detached payload":      head + "." + parts[2],
		"the payload of others": head + b64.EncodeToString([]byte(`{"no":8,"nextUpdate":"2199-01-01","entries":[]}`)) + "." + parts[2],
	} {
		t.Run(name, func(t *testing.T) {
			b, err := mds.Parse([]byte(forged), mds.ParseOptions{Roots: ca.Roots()})
			require.Nil(t, b)
			var refused *mds.VerificationError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, []string{"form", "signature"}, refused.Check)
		})
	}
}

// flipLastBit changes a base64 character in the bit that carries nothing: 64
// bytes leave four of them.
func flipLastBit(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func TestSignerCertificate(t *testing.T) {
	now := day("2025-06-01")
	for name, c := range map[string]struct {
		options mdstest.Options
		check   string
	}{
		"expired":                   {mdstest.Options{NotAfter: day("2025-05-31")}, "chain"},
		"not valid yet":             {mdstest.Options{NotBefore: day("2025-06-02")}, "chain"},
		"for another site":          {mdstest.Options{Host: "www.example.com"}, "host"},
		"for a site below":          {mdstest.Options{Host: "x.mds.fidoalliance.org"}, "host"},
		"for a site that ends so":   {mdstest.Options{Host: "notmds.fidoalliance.org"}, "host"},
		"for the site as a subject": {mdstest.Options{Host: "mds.fidoalliance.org.example.com"}, "host"},
	} {
		t.Run(name, func(t *testing.T) {
			ca := mdstest.New(t, c.options)
			b, err := mds.Parse(ca.Blob(t, payload(7)), mds.ParseOptions{Roots: ca.Roots(), Now: now})
			requireRefused(t, b, err, c.check)
		})
	}
	for _, host := range []string{"mds.fidoalliance.org", "mds3.fidoalliance.org"} {
		ca := mdstest.New(t, mdstest.Options{Host: host})
		_, err := mds.Parse(ca.Blob(t, payload(7)), mds.ParseOptions{Roots: ca.Roots(), Now: now})
		require.NoError(t, err)
		b, err := mds.Parse(ca.Blob(t, payload(7)), mds.ParseOptions{Now: now})
		requireRefused(t, b, err, "chain")
		require.ErrorContains(t, err, fmt.Sprintf("%q", host))
	}
	ca := mdstest.New(t, mdstest.Options{Host: "metadata.example.com"})
	_, err := mds.Parse(ca.Blob(t, payload(7)), mds.ParseOptions{Roots: ca.Roots(), Now: now, Hosts: []string{"metadata.example.com"}})
	require.NoError(t, err)
	// Whoever is trusted as a root does not sign blobs, either.
	b, err := mds.Parse(ca.Blob(t, payload(7)), mds.ParseOptions{Roots: []*x509.Certificate{ca.Chain()[1]}, Now: now})
	requireRefused(t, b, err, "host")
}
