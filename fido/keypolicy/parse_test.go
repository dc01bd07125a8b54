package keypolicy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

func TestExamplePolicyFile(t *testing.T) {
	text, err := os.ReadFile("../../examples/idp/policy.yaml")
	require.NoError(t, err)
	p, err := keypolicy.Parse("policy.yaml", text)
	require.NoError(t, err)
	require.Equal(t, 3, p.Limit(keypolicy.Subject{Groups: []string{"admins"}}))
	require.Equal(t, 3, p.Limit(keypolicy.Subject{User: "Root@example.com", Groups: []string{"operators"}}))
	require.Equal(t, 5, p.Limit(keypolicy.Subject{Groups: []string{"dev", "on-call"}}))
	require.Equal(t, 0, p.Limit(keypolicy.Subject{Groups: []string{"contractors"}}))
	require.Equal(t, 10, p.Limit(keypolicy.Subject{}))
	fields := strings.Split("groups users profile attested device_bound hardware fips fips_models certification attachment allow_models deny_models undesired_status insecure_tolerate_status insecure_no_user_verification insecure_stale_metadata insecure_deny_claims approval max_keys", " ")
	for _, field := range fields {
		require.Contains(t, string(text), field+":", "the example shows every field")
	}
}

func TestFormatIsCanonical(t *testing.T) {
	same := []string{
		"version: 1\nmodels: {b: [2fc0579f-8113-47ea-b116-bb5a8db9202a, ee882879-721c-4913-9775-3dfcce97072a], a: [ee882879-721c-4913-9775-3dfcce97072a]}\nrules:\n- {name: x, groups: [p, q], profile: fips, allow_models: [a, b]}\n- name: rest\n",
		"# said otherwise\nrules:\n- {name: x, fips: true, hardware: true, attested: true, device_bound: true, approval: none, allow_models: [b, a, a], groups: [q, p]}\n- {name: rest, profile: any-passkey, hardware: false}\nversion: 1\nmodels:\n  a: [EE882879-721c-4913-9775-3dfcce97072a]\n  b: [ee882879-721c-4913-9775-3dfcce97072a, 2fc0579f-8113-47ea-b116-bb5a8db9202a, ee882879-721c-4913-9775-3dfcce97072a]\n",
	}
	var first *keypolicy.Policy
	for _, text := range same {
		p, err := keypolicy.Parse("p", []byte(text))
		require.NoError(t, err)
		again, err := keypolicy.Parse("p", p.Format())
		require.NoError(t, err, "%s", p.Format())
		require.Equal(t, p, again)
		if first == nil {
			first = p
		}
		require.Equal(t, first, p)
		require.Equal(t, first.Hash(), p.Hash())
	}
	require.Len(t, first.Hash(), 64)
	seen := map[string]bool{first.Hash(): true}
	for _, other := range []string{
		"version: 1\nrules:\n- name: rest\n",
		"version: 1\nrules:\n- name: Rest\n",
		"version: 1\nrules:\n- {name: rest, max_keys: 1}\n",
		"version: 1\nrules:\n- {name: rest, insecure_no_user_verification: true}\n",
		"version: 1\nrules:\n- {name: rest, groups: [a]}\n",
		"version: 1\nrules:\n- {name: rest, users: [a]}\n",
	} {
		p, err := keypolicy.Parse("p", []byte(other))
		require.NoError(t, err)
		require.False(t, seen[p.Hash()], other)
		seen[p.Hash()] = true
	}
}

func TestSyntaxErrors(t *testing.T) {
	const head = "version: 1\nmodels:\n  a: [ee882879-721c-4913-9775-3dfcce97072a]\n"
	for text, want := range map[string]struct {
		line  int
		field string
		says  string
	}{
		"":                                 {0, "", "empty"},
		"# nothing":                        {0, "", "empty"},
		"\tx":                              {1, "", "no YAML"},
		"version: 1\nrules: [":             {2, "", "no YAML"},
		"[]":                               {1, "", "allowed: version, models, rules"},
		"version: 1\nrules: []":            {2, "rules", "list of rules"},
		"version: 1":                       {1, "rules", "missing"},
		"rules: [{name: a}]":               {1, "version", "version: 1"},
		"version: 2\nrules: [{name: a}]":   {1, "version", "is 2; allowed: 1"},
		"version: one\nrules: [{name: a}]": {1, "version", "whole number"},
		"version: 1\nversion: 1":           {2, "version", "twice"},
		"version: 1\nrules: [{name: a}]\n---\nversion: 1":                                                  {3, "", "more than one document"},
		"version: 1\nmodel: {}\nrules: [{name: a}]":                                                        {2, "model", "no field; allowed: version, models, rules"},
		"version: 1\n\nmodels:\n  a:\n  - ee882879-721c-4913-9775-3dfcce97072a\n  - ee88":                  {6, "models.a[1]", "write it as"},
		"version: 1\nmodels:\n  a: [00000000-0000-0000-0000-000000000000]\nrules: [{name: a}]":             {3, "models.a", "zeros"},
		"version: 1\nmodels:\n  a: []\nrules: [{name: a}]":                                                 {3, "models.a", "empty list"},
		"version: 1\nmodels:\n  a: &x [ee882879-721c-4913-9775-3dfcce97072a]\n  b: *x\nrules: [{name: a}]": {4, "models.b", "alias"},
		"version: 1\nmodels:\n  a: ee882879-721c-4913-9775-3dfcce97072a\nrules: [{name: a}]":               {3, "models.a", "has to be a list"},
		"version: 1\nmodels:\n  1: [ee882879-721c-4913-9775-3dfcce97072a]\nrules: [{name: a}]":             {3, "models", "quotes"},
		head + "rules:\n- profile: fips":                                                                   {5, "rules[0].name", "missing"},
		head + "rules:\n- name: a\n  profile: FIPS":                                                        {6, "rules[0].profile", "allowed: any-passkey, device-bound, attested-hardware, fips"},
		head + "rules:\n- name: a\n  profile: fips\n  hardware: false":                                     {7, "rules[0].hardware", "not for less"},
		head + "rules:\n- name: a\n  hardware: yes":                                                        {6, "rules[0].hardware", "allowed: true, false"},
		head + "rules:\n- name: a\n  hardwired: true":                                                      {6, "rules[0].hardwired", "no field; allowed: name"},
		head + "rules:\n- name: a\n  hardware: true\n  hardware: true":                                     {7, "rules[0].hardware", "twice"},
		head + "rules:\n- name: a\n  certification: L4":                                                    {6, "rules[0].certification", "allowed: functional, L1, L1+, L2, L2+, L3, L3+"},
		head + "rules:\n- name: a\n  certification: none":                                                  {6, "rules[0].certification", "allowed"},
		head + "rules:\n- name: a\n  allow_models: [a, b]":                                                 {6, "rules[0].allow_models", "no group \"b\" under models; allowed: a"},
		head + "rules:\n- name: a\n  allow_models: []":                                                     {6, "rules[0].allow_models", "empty list"},
		head + "rules:\n- name: a\n  allow_models:":                                                        {6, "rules[0].allow_models", "is empty"},
		head + "rules:\n- name: a\n  undesired_status: [REVOKE]":                                           {6, "rules[0].undesired_status", "no status; allowed: NOT_FIDO_CERTIFIED"},
		head + "rules:\n- name: a\n  undesired_status: [RETIRED]\n  insecure_tolerate_status: [RETIRED]":   {7, "rules[0].insecure_tolerate_status", "decide"},
		head + "rules:\n- name: a\n  fips_models: [a]":                                                     {6, "rules[0].fips_models", "fips: true"},
		head + "rules:\n- name: a\n  insecure_deny_claims: true":                                           {6, "rules[0].insecure_deny_claims", "deny_models"},
		head + "rules:\n- name: a\n  attachment: usb":                                                      {6, "rules[0].attachment", "allowed: platform, cross-platform"},
		head + "rules:\n- name: a\n  approval: yes":                                                        {6, "rules[0].approval", "allowed: none, always, unless-rooted"},
		head + "rules:\n- name: a\n  max_keys: 0":                                                          {6, "rules[0].max_keys", "leave it out"},
		head + "rules:\n- name: a\n  max_keys: -1":                                                         {6, "rules[0].max_keys", "1 to 1000"},
		head + "rules:\n- name: a\n  max_keys: 1.5":                                                        {6, "rules[0].max_keys", "whole number"},
		head + "rules:\n- name: a\n  groups: admins":                                                       {6, "rules[0].groups", "has to be a list"},
		head + "rules:\n- name: a\n  groups: [\"a\\tb\"]":                                                  {6, "rules[0].groups[0]", "printable"},
		head + "rules:\n- name: a\n  groups: [x]\n- name: a":                                               {7, "rules[1].name", "already"},
		head + "rules:\n- name: a\n- name: b\n  groups: [x]":                                               {6, "rules[1].name", "for everybody"},
		head + "rules:\n- name: a\n  <<: {hardware: true}":                                                 {6, "rules[0]", "text"},
		head + "rules: {name: a}":                                                                          {4, "rules", "list of rules"},
		strings.Repeat("#", 1<<20) + "\nversion: 1\nrules: [{name: a}]":                                    {0, "", "larger"},
		"version: 1\nrules:\n- name: !!binary YQ==":                                                        {3, "rules[0].name", "text"},
		"version: 1\nrules:\n- name: a\n  users: [" + strings.Repeat("[", 20000):                           {0, "", "no YAML"},
	} {
		_, err := keypolicy.Parse("policy.yaml", []byte(text))
		var syntax *keypolicy.SyntaxError
		require.ErrorAs(t, err, &syntax, "%.300s", text)
		require.Equal(t, "policy.yaml", syntax.File)
		require.Contains(t, syntax.Problem, want.says, "%.300s", text)
		require.Equal(t, want.field, syntax.Field, "%.300s", text)
		if want.line > 0 {
			require.Equal(t, want.line, syntax.Line, "%.300s: %v", text, err)
		}
	}
	_, err := keypolicy.Parse("policy.yaml", []byte("version: 1\nrules:\n- name: a\n  certification: L9\n"))
	require.EqualError(t, err, `keypolicy: policy.yaml:4: rules[0].certification: "L9" is no level; allowed: functional, L1, L1+, L2, L2+, L3, L3+`)
}

// FuzzParse: whatever is read is refused in our words or read completely: its
// canonical form is the same policy with the same hash.
// A file of the size that is read could name so many rules that comparing their
// names takes a minute.
func TestRulesAreNotEndless(t *testing.T) {
	var text strings.Builder
	text.WriteString("version: 1\nrules:\n")
	rules := make([]keypolicy.Rule, 20_000)
	for i := range rules {
		rules[i] = keypolicy.Rule{Name: fmt.Sprint("r", i), Groups: []string{"g"}}
		fmt.Fprintf(&text, "- {name: r%d, groups: [g]}\n", i)
	}
	_, err := keypolicy.Parse("p.yaml", []byte(text.String()))
	require.EqualError(t, err, "keypolicy: p.yaml:1003: rules: there are more than 1000: put people into groups")
	_, err = keypolicy.New(nil, rules...)
	require.ErrorContains(t, err, "more than 1000")
	_, err = keypolicy.New(nil, rules[:1000]...)
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../../examples/idp/policy.yaml")
	require.NoError(f, err)
	f.Add(example)
	f.Add([]byte("version: 1\nrules: [{name: a, profile: fips, groups: ['1', 'true', '~', '- x', \"\\u2028x\"]}]"))
	f.Add([]byte("version: 1\nmodels: {? 'a b' : [ee882879-721c-4913-9775-3dfcce97072a]}\nrules: [{name: '#', allow_models: ['a b'], certification: L3+}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := keypolicy.Parse("f", text)
		if err != nil {
			var syntax *keypolicy.SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Nil(t, p)
			require.NotEmpty(t, syntax.Problem)
			return
		}
		again, err := keypolicy.Parse("f", p.Format())
		require.NoError(t, err, "%s", p.Format())
		require.Equal(t, p, again)
		require.Equal(t, p.Hash(), again.Hash())
	})
}
