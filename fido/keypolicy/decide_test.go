package keypolicy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

func aaguid(t testing.TB, s string) keypolicy.AAGUID {
	t.Helper()
	a, err := keypolicy.ParseAAGUID(s)
	require.NoError(t, err)
	return a
}

// fipsKey is what is known of a genuine key of the best sort.
func fipsKey(t testing.TB) keypolicy.Evidence {
	return keypolicy.Evidence{
		Verdict: keypolicy.Rooted, RootedBy: "mds", AAGUID: aaguid(t, "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd"), Format: "packed",
		Model: "YubiKey 5 FIPS Series with NFC", Attachment: "cross-platform", Hardware: true, FIPS: true, FIPSBy: "metadata",
		Certification: keypolicy.L2, Status: []string{"FIDO_CERTIFIED_L2"}, Metadata: 112, UserVerified: true,
	}
}

func only(t testing.TB, p keypolicy.Profile) *keypolicy.Policy {
	t.Helper()
	made, err := keypolicy.New(keypolicy.Models{
		"fips":  {aaguid(t, "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd")},
		"other": {aaguid(t, "ee882879-721c-4913-9775-3dfcce97072a")},
	}, keypolicy.Rule{Name: "r", Profile: p})
	require.NoError(t, err)
	return made
}

func fields(d keypolicy.Decision) (f []string) {
	for _, r := range d.Reasons {
		f = append(f, r.Field)
	}
	return f
}

// demands are profiles that each ask one thing about the model.
func demands() map[string]keypolicy.Profile {
	return map[string]keypolicy.Profile{
		"attested":      {Attested: true},
		"device_bound":  {DeviceBound: true},
		"hardware":      {Hardware: true},
		"fips":          {FIPS: true},
		"fips by list":  {FIPS: true, FIPSModels: []string{"fips"}},
		"certification": {Certification: keypolicy.L1},
		"attachment":    {Attachment: "cross-platform"},
		"allow_models":  {AllowModels: []string{"fips"}},
		"deny_models":   {DenyModels: []string{"other"}},
	}
}

func TestDecideWhatEachFieldAsks(t *testing.T) {
	genuine := fipsKey(t)
	for name, profile := range demands() {
		field, _, _ := strings.Cut(name, " ")
		t.Run(name, func(t *testing.T) {
			p := only(t, profile)
			require.True(t, p.Decide(keypolicy.Subject{}, genuine).Allowed)
			for doubt, change := range map[string]func(e *keypolicy.Evidence){
				"no attestation":      func(e *keypolicy.Evidence) { e.Verdict = keypolicy.None },
				"self":                func(e *keypolicy.Evidence) { e.Verdict = keypolicy.Self },
				"rooted by nobody":    func(e *keypolicy.Evidence) { e.RootedBy = "" },
				"rooted by a word":    func(e *keypolicy.Evidence) { e.RootedBy = "MDS" },
				"stale metadata":      func(e *keypolicy.Evidence) { e.MetadataStale = true },
				"no metadata":         func(e *keypolicy.Evidence) { e.Metadata = 0 },
				"unknown verdict":     func(e *keypolicy.Evidence) { e.Verdict = 7 },
				"zero, none, claimed": func(e *keypolicy.Evidence) { *e = keypolicy.Evidence{AAGUID: e.AAGUID, UserVerified: true} },
			} {
				e := genuine
				change(&e)
				d := p.Decide(keypolicy.Subject{}, e)
				require.False(t, d.Allowed, doubt)
				require.Equal(t, []string{field}, fields(d), doubt)
				require.Equal(t, "r", d.Rule)
				for _, r := range d.Reasons {
					require.NotEmpty(t, r.Want)
					require.NotEmpty(t, r.Found)
					require.NotEmpty(t, r.Because)
				}
			}
			loud := profile
			loud.InsecureStaleMetadata = true
			stale := genuine
			stale.MetadataStale = true
			require.True(t, only(t, loud).Decide(keypolicy.Subject{}, stale).Allowed, "InsecureStaleMetadata")
		})
	}
	for name, c := range map[string]struct {
		profile keypolicy.Profile
		change  func(e *keypolicy.Evidence)
		field   string
	}{
		"synced":            {keypolicy.DeviceBound(), func(e *keypolicy.Evidence) { e.BackupEligible = true }, "device_bound"},
		"software":          {keypolicy.AttestedHardware(), func(e *keypolicy.Evidence) { e.Hardware = false }, "hardware"},
		"not validated":     {keypolicy.FIPS(), func(e *keypolicy.Evidence) { e.FIPS = false }, "fips"},
		"other list":        {keypolicy.Profile{FIPS: true, FIPSModels: []string{"other"}}, func(e *keypolicy.Evidence) { e.FIPS = false }, "fips"},
		"low certification": {keypolicy.Profile{Certification: keypolicy.L2Plus}, func(*keypolicy.Evidence) {}, "certification"},
		"wrong attachment":  {keypolicy.Profile{Attachment: "platform"}, func(*keypolicy.Evidence) {}, "attachment"},
		"no attachment":     {keypolicy.Profile{Attachment: "platform"}, func(e *keypolicy.Evidence) { e.Attachment = "" }, "attachment"},
		"not on the list":   {keypolicy.Profile{AllowModels: []string{"other"}}, func(*keypolicy.Evidence) {}, "allow_models"},
		"zero on the list":  {keypolicy.Profile{AllowModels: []string{"other"}}, func(e *keypolicy.Evidence) { e.AAGUID = keypolicy.AAGUID{} }, "allow_models"},
		"denied":            {keypolicy.Profile{DenyModels: []string{"fips"}}, func(*keypolicy.Evidence) {}, "deny_models"},
		"denied: unknown":   {keypolicy.Profile{DenyModels: []string{"fips"}}, func(e *keypolicy.Evidence) { e.AAGUID = keypolicy.AAGUID{} }, "deny_models"},
		"not verified":      {keypolicy.AnyPasskey(), func(e *keypolicy.Evidence) { e.UserVerified = false }, "user_verification"},
		"undesired":         {keypolicy.Profile{UndesiredStatus: []string{"FIDO_CERTIFIED_L2"}}, func(*keypolicy.Evidence) {}, "undesired_status"},
	} {
		e := fipsKey(t)
		c.change(&e)
		require.Equal(t, []string{c.field}, fields(only(t, c.profile).Decide(keypolicy.Subject{}, e)), name)
	}
	unverified := fipsKey(t)
	unverified.UserVerified = false
	require.True(t, only(t, keypolicy.Profile{InsecureNoUserVerification: true}).Decide(keypolicy.Subject{}, unverified).Allowed)
}

func TestDecideUndesiredStatus(t *testing.T) {
	for _, status := range keypolicy.UndesiredStatus() {
		e := fipsKey(t)
		e.Status = append(e.Status, status)
		for name, profile := range map[string]keypolicy.Profile{"any": keypolicy.AnyPasskey(), "fips": keypolicy.FIPS(), "stale": {InsecureStaleMetadata: true}} {
			for _, stale := range []bool{false, true} {
				e.MetadataStale = stale
				require.Contains(t, fields(only(t, profile).Decide(keypolicy.Subject{}, e)), "undesired_status", "%s %s %v", name, status, stale)
			}
			e.MetadataStale = false
			profile.InsecureTolerateStatus = []string{status}
			require.True(t, only(t, profile).Decide(keypolicy.Subject{}, e).Allowed, "%s %s", name, status)
		}
	}
	keypolicy.UndesiredStatus()[0] = "" // is a copy
	require.NotContains(t, keypolicy.UndesiredStatus(), "")
}

// A pinned root does not depend on the metadata; what only the metadata says does.
func TestDecidePinnedRoot(t *testing.T) {
	e := fipsKey(t)
	e.RootedBy, e.Metadata, e.MetadataStale = "pinned", 112, true
	for name, profile := range demands() {
		d := only(t, profile).Decide(keypolicy.Subject{}, e)
		switch name {
		case "certification", "attachment", "fips":
			require.Equal(t, []string{name}, fields(d))
		default:
			require.True(t, d.Allowed, "%s: %s", name, d)
		}
	}
	e.FIPSBy = "certificate"
	require.True(t, only(t, keypolicy.FIPS()).Decide(keypolicy.Subject{}, e).Allowed)
}

// A deny list over claims is told so by its name, and does what it can.
func TestDecideInsecureDenyClaims(t *testing.T) {
	p := only(t, keypolicy.Profile{DenyModels: []string{"fips"}, InsecureDenyClaims: true})
	claimed := keypolicy.Evidence{AAGUID: fipsKey(t).AAGUID, UserVerified: true}
	require.Equal(t, []string{"deny_models"}, fields(p.Decide(keypolicy.Subject{}, claimed)))
	require.True(t, p.Decide(keypolicy.Subject{}, keypolicy.Evidence{UserVerified: true}).Allowed)
}

func TestDecideWhoseRule(t *testing.T) {
	p, err := keypolicy.New(nil,
		keypolicy.Rule{Name: "admins", Groups: []string{"admins", "root"}, Profile: keypolicy.FIPS(), MaxKeys: 2},
		keypolicy.Rule{Name: "bob", Users: []string{"bob@example.com"}, Profile: keypolicy.DeviceBound()},
		keypolicy.Rule{Name: "staff", Groups: []string{"staff"}},
	)
	require.NoError(t, err)
	passkey := keypolicy.Evidence{BackupEligible: true, UserVerified: true}
	for _, c := range []struct {
		s       keypolicy.Subject
		rule    string
		allowed bool
	}{
		{keypolicy.Subject{User: "ana@example.com", Groups: []string{"staff"}}, "staff", true},
		{keypolicy.Subject{User: "ana@example.com", Groups: []string{"staff", "root"}}, "admins", false},
		{keypolicy.Subject{User: "Bob@Example.com", Groups: []string{"staff"}}, "bob", false},
		{keypolicy.Subject{User: "eve@example.com"}, "", false},
		{keypolicy.Subject{User: "eve@example.com", Groups: []string{"Staff", ""}}, "", false},
	} {
		d := p.Decide(c.s, passkey)
		require.Equal(t, c.rule, d.Rule, "%+v", c.s)
		require.Equal(t, c.allowed, d.Allowed, "%+v", c.s)
		require.Equal(t, c.allowed, len(d.Reasons) == 0)
	}
	require.Equal(t, 2, p.Limit(keypolicy.Subject{Groups: []string{"admins"}}))
	require.Equal(t, 0, p.Limit(keypolicy.Subject{}))
	require.Contains(t, p.Decide(keypolicy.Subject{}, fipsKey(t)).String(), "no rule is for them")
}

func TestDecideApproval(t *testing.T) {
	p, err := keypolicy.New(nil,
		keypolicy.Rule{Name: "always", Groups: []string{"a"}, Approval: keypolicy.ApprovalAlways},
		keypolicy.Rule{Name: "unless", Approval: keypolicy.ApprovalUnlessRooted},
	)
	require.NoError(t, err)
	genuine, passkey, stale := fipsKey(t), keypolicy.Evidence{UserVerified: true}, fipsKey(t)
	stale.MetadataStale = true
	everybody, a := keypolicy.Subject{}, keypolicy.Subject{Groups: []string{"a"}}
	for _, c := range []struct {
		s    keypolicy.Subject
		e    keypolicy.Evidence
		want bool
	}{{a, genuine, true}, {a, passkey, true}, {everybody, genuine, false}, {everybody, passkey, true}, {everybody, stale, true}} {
		d := p.Decide(c.s, c.e)
		require.True(t, d.Allowed)
		require.Equal(t, c.want, d.NeedsApproval, "%s", d)
		require.Equal(t, c.want, len(d.Reasons) == 1)
	}
	refused := p.Decide(a, keypolicy.Evidence{})
	require.False(t, refused.Allowed || refused.NeedsApproval, "what is refused is not put before anybody")
}

func TestNilPolicy(t *testing.T) {
	var p *keypolicy.Policy
	require.True(t, p.Decide(keypolicy.Subject{}, keypolicy.Evidence{UserVerified: true, BackupEligible: true}).Allowed)
	require.False(t, p.Decide(keypolicy.Subject{}, keypolicy.Evidence{}).Allowed)
	require.Equal(t, "none", p.Hash())
	require.Zero(t, p.Limit(keypolicy.Subject{}))
	revoked := fipsKey(t)
	revoked.Status = []string{"REVOKED"}
	require.Equal(t, []string{"undesired_status"}, fields(p.Decide(keypolicy.Subject{}, revoked)))
	parsed, err := keypolicy.Parse("nil", p.Format())
	require.NoError(t, err)
	require.True(t, parsed.Decide(keypolicy.Subject{}, keypolicy.Evidence{UserVerified: true}).Allowed)
}

func TestNewRefuses(t *testing.T) {
	a := aaguid(t, "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd")
	for want, c := range map[string]struct {
		models keypolicy.Models
		rules  []keypolicy.Rule
	}{
		"without rules":               {nil, nil},
		"models.x: is empty":          {keypolicy.Models{"x": nil}, []keypolicy.Rule{{Name: "a"}}},
		"zeros names no model":        {keypolicy.Models{"x": {a, {}}}, []keypolicy.Rule{{Name: "a"}}},
		"rules[0].name":               {nil, []keypolicy.Rule{{}}},
		"rules[0].certification":      {nil, []keypolicy.Rule{{Name: "a", Profile: keypolicy.Profile{Certification: 8}}}},
		"rules[0].allow_models":       {nil, []keypolicy.Rule{{Name: "a", Profile: keypolicy.Profile{AllowModels: []string{"x"}}}}},
		"rules[1].name: nobody gets":  {nil, []keypolicy.Rule{{Name: "a"}, {Name: "b"}}},
		"rules[0].users: a name has":  {nil, []keypolicy.Rule{{Name: "a", Users: []string{" b"}}}},
		"rules[0].approval: \"soon\"": {nil, []keypolicy.Rule{{Name: "a", Approval: "soon"}}},
	} {
		_, err := keypolicy.New(c.models, c.rules...)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "keypolicy: ")
	}
}

// What is passed to New can be changed afterwards; the policy does not.
func TestPolicyDoesNotChange(t *testing.T) {
	a := aaguid(t, "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd")
	models := keypolicy.Models{"m": {a}}
	rule := keypolicy.Rule{Name: "a", Groups: []string{"z", "g"}, Profile: keypolicy.Profile{AllowModels: []string{"m"}, UndesiredStatus: []string{"UPDATE_AVAILABLE"}}}
	p, err := keypolicy.New(models, rule)
	require.NoError(t, err)
	require.Equal(t, []string{"z", "g"}, rule.Groups, "nor does what was passed")
	before := string(p.Format())
	models["m"][0] = keypolicy.AAGUID{}
	delete(models, "m")
	rule.Groups[0], rule.Profile.AllowModels[0], rule.Profile.UndesiredStatus[0] = "", "", ""
	require.Equal(t, before, string(p.Format()))
	require.True(t, p.Decide(keypolicy.Subject{Groups: []string{"z"}}, fipsKey(t)).Allowed)
}

// Nothing but a rooted verdict makes a profile say yes that asks anything of the
// model, whatever else the evidence claims.
func FuzzDecideVerdictFirst(f *testing.F) {
	f.Add(uint8(0), "mds", true, true, true, uint8(6), 112, false, "cross-platform", "certificate")
	f.Add(uint8(2), "", true, true, true, uint8(6), 112, false, "cross-platform", "metadata")
	f.Add(uint8(2), "mds", true, true, true, uint8(6), 112, true, "cross-platform", "metadata")
	f.Fuzz(func(t *testing.T, verdict uint8, by string, hardware, fips, uv bool, level uint8, blob int, stale bool, attachment, fipsBy string) {
		e := keypolicy.Evidence{
			Verdict: keypolicy.Verdict(verdict), RootedBy: by, AAGUID: fipsKey(t).AAGUID, Hardware: hardware, FIPS: fips, FIPSBy: fipsBy, UserVerified: uv,
			Certification: keypolicy.Level(level), Metadata: blob, MetadataStale: stale, Attachment: attachment,
		}
		rooted := verdict == 2 && (by == "pinned" || by == "mds" && blob > 0 && !stale)
		for _, name := range slices.Sorted(maps.Keys(demands())) {
			d := only(t, demands()[name]).Decide(keypolicy.Subject{}, e)
			require.False(t, d.Allowed && (!rooted || !uv), "%s: %+v", name, e)
			require.Equal(t, d.Allowed, len(d.Reasons) == 0)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p := only(b, keypolicy.Profile{Attested: true, DeviceBound: true, Hardware: true, FIPS: true, Certification: keypolicy.L1, AllowModels: []string{"fips"}, DenyModels: []string{"other"}})
	e := fipsKey(b)
	b.ReportAllocs()
	for b.Loop() {
		if !p.Decide(keypolicy.Subject{User: "ana", Groups: []string{"x"}}, e).Allowed {
			b.Fatal("refused")
		}
	}
}
