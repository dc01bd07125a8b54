package mds_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

func report(status mds.Status, from string) mds.StatusReport {
	r := mds.StatusReport{Status: status}
	if from != "" {
		r.EffectiveDate = day(from)
	}
	return r
}

func TestStatusAt(t *testing.T) {
	sunset := report(mds.FIPS140L3, "2021-01-01")
	sunset.SunsetDate = day("2023-01-01")
	e := mds.Entry{Status: []mds.StatusReport{
		report(mds.CertifiedL2, "2022-01-01"), report(mds.CertifiedL1, "2020-01-01"), sunset,
		report(mds.NotCertified, "2019-01-01"), report("SOMETHING_NEW", ""),
	}}
	names := func(at string) (all []mds.Status) {
		for _, r := range e.StatusAt(day(at)) {
			all = append(all, r.Status)
		}
		return all
	}
	require.Equal(t, []mds.Status{"SOMETHING_NEW"}, names("2018-12-31"))
	require.Equal(t, []mds.Status{"SOMETHING_NEW", mds.NotCertified}, names("2019-01-01"))
	require.Equal(t, []mds.Status{"SOMETHING_NEW", mds.NotCertified, mds.CertifiedL1, mds.FIPS140L3, mds.CertifiedL2}, names("2022-12-31"))
	require.Equal(t, []mds.Status{"SOMETHING_NEW", mds.NotCertified, mds.CertifiedL1, mds.CertifiedL2}, names("2023-01-01"))
	require.Equal(t, 3, e.FIPS140At(day("2022-12-31")))
	require.Zero(t, e.FIPS140At(day("2023-01-01")))
}

func TestLevelAt(t *testing.T) {
	at := day("2024-06-01")
	for name, c := range map[string]struct {
		reports []mds.StatusReport
		level   mds.Level
		text    string
	}{
		"nothing known":           {nil, mds.LevelNone, "none"},
		"functional":              {[]mds.StatusReport{report(mds.Certified, "2020-01-01")}, mds.LevelFunctional, "functional"},
		"the highest":             {[]mds.StatusReport{report(mds.CertifiedL2, "2020-01-01"), report(mds.CertifiedL1, "2021-01-01")}, mds.Level2, "L2"},
		"plus":                    {[]mds.StatusReport{report(mds.CertifiedL1Plus, ""), report(mds.CertifiedL1, "")}, mds.Level1Plus, "L1+"},
		"not yet":                 {[]mds.StatusReport{report(mds.CertifiedL3, "2024-06-02")}, mds.LevelNone, "none"},
		"certified after all":     {[]mds.StatusReport{report(mds.CertifiedL3Plus, "2021-01-01"), report(mds.NotCertified, "2020-01-01")}, mds.Level3Plus, "L3+"},
		"certified the same day":  {[]mds.StatusReport{report(mds.CertifiedL3, "2020-01-01"), report(mds.NotCertified, "2020-01-01")}, mds.Level3, "L3"},
		"no more":                 {[]mds.StatusReport{report(mds.CertifiedL2Plus, "2020-01-01"), report(mds.NotCertified, "2021-01-01")}, mds.LevelNone, "none"},
		"again, lower":            {[]mds.StatusReport{report(mds.CertifiedL3, "2020-01-01"), report(mds.NotCertified, "2021-01-01"), report(mds.CertifiedL2Plus, "2022-01-01")}, mds.Level2Plus, "L2+"},
		"revoked":                 {[]mds.StatusReport{report(mds.Revoked, "2020-01-01"), report(mds.CertifiedL3, "2021-01-01")}, mds.LevelNone, "none"},
		"self-asserted":           {[]mds.StatusReport{report(mds.SelfAsserted, "2020-01-01")}, mds.LevelNone, "none"},
		"FIPS is no FIDO level":   {[]mds.StatusReport{report(mds.FIPS140L4, "2020-01-01")}, mds.LevelNone, "none"},
		"a status of a later day": {[]mds.StatusReport{report("FIDO_CERTIFIED_L4", "2020-01-01")}, mds.LevelNone, "none"},
	} {
		e := mds.Entry{Status: c.reports}
		require.Equal(t, c.level, e.LevelAt(at), name)
		require.Equal(t, c.text, c.level.String())
	}
	require.Equal(t, "unknown", mds.Level(99).String())
}

func TestCompromisedAt(t *testing.T) {
	at := day("2024-06-01")
	for status, bad := range map[mds.Status]bool{
		mds.Revoked: true, mds.UserVerificationBypass: true, mds.AttestationKeyCompromise: true, mds.UserKeyRemoteCompromise: true, mds.UserKeyPhysicalCompromise: true,
		mds.UpdateAvailable: false, mds.NotCertified: false, mds.CertifiedL3: false, mds.Retired: false, "SOMETHING_NEW": false,
	} {
		e := mds.Entry{Status: []mds.StatusReport{report(status, "2024-01-01"), report(mds.UpdateAvailable, "2024-02-01"), report(mds.CertifiedL3, "2024-03-01")}}
		r, got := e.CompromisedAt(at, nil)
		require.Equal(t, bad, got, status)
		require.Equal(t, bad, r.Status == status)
		_, got = e.CompromisedAt(day("2023-12-31"), nil)
		require.False(t, got)
		require.Equal(t, status == mds.Retired, e.RetiredAt(at))
	}
	e := mds.Entry{Status: []mds.StatusReport{report(mds.Revoked, "2020-01-01"), report(mds.UserVerificationBypass, "2024-01-01")}}
	r, _ := e.CompromisedAt(at, nil)
	require.Equal(t, mds.Revoked, r.Status, "the worst is told")
}

// TestCompromisedBatch: a stolen attestation key concerns the keys that were made
// with it.
func TestCompromisedBatch(t *testing.T) {
	ca, at := mdstest.New(t, mdstest.Options{}), day("2024-06-01")
	stolen, others := mdstest.New(t, mdstest.Options{}).Chain(), mdstest.New(t, mdstest.Options{Host: "another name"}).Chain()
	others[0].RawIssuer = []byte("another issuer")
	entry := func(c *x509.Certificate, status mds.Status) *mds.Entry {
		r := report(status, "2024-01-01")
		r.BatchCertificate = c
		b := ca.Parse(t, mdstest.Payload{Number: 1, Entries: []mdstest.Entry{{AAGUID: model, Status: []mds.StatusReport{r}}}})
		require.Empty(t, b.Problems)
		e, _ := b.Entry(model)
		require.Equal(t, c.Raw, e.Status[0].BatchCertificate.Raw)
		return e
	}
	for name, c := range map[string]struct {
		report  *x509.Certificate
		status  mds.Status
		chain   []*x509.Certificate
		against bool
	}{
		"this certificate":         {stolen[0], mds.AttestationKeyCompromise, stolen[:1], true},
		"another":                  {stolen[0], mds.AttestationKeyCompromise, others[:1], false},
		"its authority":            {stolen[1], mds.AttestationKeyCompromise, stolen[:1], true},
		"the authority of another": {stolen[1], mds.AttestationKeyCompromise, others[:1], false},
		"no chain":                 {stolen[0], mds.AttestationKeyCompromise, nil, true},
		"revoked is revoked":       {stolen[0], mds.Revoked, others[:1], true},
	} {
		_, got := entry(c.report, c.status).CompromisedAt(at, c.chain)
		require.Equal(t, c.against, got, name)
	}
	// Version 3.0 has one member for it, and an unreadable one names no batch.
	for text, against := range map[string]bool{mdstest.X5C(stolen[0])[0]: false, "AAAA": true} {
		b := ca.Parse(t, mdstest.Payload{Number: 1, Entries: []mdstest.Entry{{AAGUID: model, Extra: map[string]any{
			"statusReports": []any{map[string]any{"status": mds.AttestationKeyCompromise, "certificate": text}},
		}}}})
		e, _ := b.Entry(model)
		_, got := e.CompromisedAt(at, others[:1])
		require.Equal(t, against, got)
	}
}
