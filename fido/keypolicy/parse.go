package keypolicy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// version is that of the file format.
const version = 1

// maxFile bounds what is read of a policy: far more than anybody maintains.
const maxFile = 1 << 20

// Parse reads a policy file, which is YAML. name is that of the file, for
// errors. It returns a *[SyntaxError] for a file that it does not understand
// completely: an unknown field is refused, since it would have said something.
func Parse(name string, text []byte) (*Policy, error) {
	r := reader{file: name}
	p, err := r.policy(text)
	if err != nil {
		return nil, err
	}
	return p, nil
}

var lineOf = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

func (r *reader) policy(text []byte) (*Policy, error) {
	if len(text) > maxFile {
		return nil, r.wrong(nil, "", fmt.Sprintf("is larger than %d bytes", maxFile))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, r.wrong(nil, "", "is empty: a policy has at least one rule")
	} else if err != nil {
		return nil, r.foreign(err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, r.wrong(&second, "", "has more than one document: put everything above the line ---")
	} else if !errors.Is(err, io.EOF) {
		return nil, r.foreign(err)
	}
	if len(document.Content) != 1 {
		return nil, r.wrong(nil, "", "is empty: a policy has at least one rule")
	}
	return r.root(document.Content[0])
}

// foreign puts an error of the YAML parser in our form.
func (r *reader) foreign(err error) error {
	// It leaves the line out where it is the first.
	e := &SyntaxError{File: r.file, Line: 1, Problem: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := lineOf.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Problem = strings.TrimPrefix(err.Error(), m[0])
	}
	e.Problem = "is no YAML: " + e.Problem
	return e
}

func (r *reader) root(n *yaml.Node) (*Policy, error) {
	members, err := r.members(n, "", "version", "models", "rules")
	if err != nil {
		return nil, err
	}
	v, ok := members["version"]
	if !ok {
		return nil, r.wrong(n, "version", "is missing: begin the file with version: 1")
	}
	if number, err := r.integer(v, "version"); err != nil {
		return nil, err
	} else if number != version {
		return nil, r.wrong(v, "version", fmt.Sprintf("is %d; allowed: %d", number, version))
	}
	models := Models{}
	if m, ok := members["models"]; ok {
		if models, err = r.models(m); err != nil {
			return nil, err
		}
	}
	list, ok := members["rules"]
	if !ok {
		return nil, r.wrong(n, "rules", "is missing: a policy without rules would refuse every key")
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil, r.wrong(list, "rules", "has to be a list of rules, each with a name")
	}
	if len(list.Content) > maxRules {
		return nil, r.wrong(list.Content[maxRules], "rules", tooManyRules)
	}
	// The rules are checked one by one, as New does, while their lines are known.
	p := &Policy{models: models}
	rules := make([]Rule, len(list.Content))
	for i, n := range list.Content {
		at := fmt.Sprintf("rules[%d]", i)
		if rules[i], err = r.rule(n, at); err != nil {
			return nil, err
		}
		checked := rules[i].clone()
		if field, problem := p.checkRule(&checked); problem != "" {
			return nil, r.wrong(r.fieldOf(n, field), at+"."+field, problem)
		}
		p.rules = append(p.rules, checked)
	}
	p, err = New(models, rules...)
	if err != nil {
		return nil, r.wrong(n, "", err.Error())
	}
	return p, nil
}

func (r *reader) models(n *yaml.Node) (Models, error) {
	groups, err := r.members(n, "models")
	if err != nil {
		return nil, err
	}
	models := Models{}
	for name, list := range groups {
		at := "models." + name
		texts, err := r.texts(list, at)
		if err != nil {
			return nil, err
		}
		for i, text := range texts {
			a, err := ParseAAGUID(text)
			if err != nil {
				return nil, r.wrong(list.Content[i], fmt.Sprintf("%s[%d]", at, i), strings.TrimPrefix(err.Error(), "keypolicy: "))
			}
			models[name] = append(models[name], a)
		}
		if problem := checkModels(name, models[name]); problem != "" {
			return nil, r.wrong(list, at, problem)
		}
	}
	return models, nil
}

func (r *reader) rule(n *yaml.Node, at string) (Rule, error) {
	var rule Rule
	f := &rule.Profile
	texts := map[string]*[]string{
		"groups": &rule.Groups, "users": &rule.Users, "fips_models": &f.FIPSModels, "allow_models": &f.AllowModels, "deny_models": &f.DenyModels,
		"undesired_status": &f.UndesiredStatus, "insecure_tolerate_status": &f.InsecureTolerateStatus,
	}
	switches := map[string]*bool{
		"attested": &f.Attested, "device_bound": &f.DeviceBound, "hardware": &f.Hardware, "fips": &f.FIPS,
		"insecure_no_user_verification": &f.InsecureNoUserVerification, "insecure_stale_metadata": &f.InsecureStaleMetadata, "insecure_deny_claims": &f.InsecureDenyClaims,
	}
	members, err := r.members(n, at, ruleFields...)
	if err != nil {
		return rule, err
	}
	if members["name"] == nil {
		return rule, r.wrong(n, at+".name", "is missing: decisions and records name their rule")
	}
	base := "any-passkey"
	if m := members["profile"]; m != nil {
		if base, err = r.profile(m, at+".profile", f); err != nil {
			return rule, err
		}
	}
	for _, field := range ruleFields { // in this order, so that the same file has the same error
		m, at := members[field], at+"."+field
		if m == nil {
			continue
		}
		var err error
		switch {
		case field == "name":
			rule.Name, err = r.text(m, at)
		case field == "attachment":
			f.Attachment, err = r.text(m, at)
		case field == "approval":
			var text string
			text, err = r.text(m, at)
			rule.Approval = Approval(text)
		case field == "certification":
			f.Certification, err = r.level(m, at)
		case field == "max_keys":
			if rule.MaxKeys, err = r.integer(m, at); err == nil && rule.MaxKeys == 0 {
				err = r.wrong(m, at, "is 0, with which nobody could have a key: leave it out if there is no limit")
			}
		case texts[field] != nil:
			*texts[field], err = r.texts(m, at)
		case switches[field] != nil:
			asked := *switches[field]
			if *switches[field], err = r.boolean(m, at); err == nil && asked && !*switches[field] {
				err = r.wrong(m, at, "is false, and the profile "+base+" asks for it: a rule can ask for more than its profile, not for less")
			}
		}
		if err != nil {
			return rule, err
		}
	}
	return rule, nil
}

// ruleFields are the fields of a rule in a file.
var ruleFields = []string{
	"name", "groups", "users", "profile", "attested", "device_bound", "hardware", "fips", "fips_models", "certification", "attachment", "allow_models", "deny_models",
	"undesired_status", "insecure_tolerate_status", "insecure_no_user_verification", "insecure_stale_metadata", "insecure_deny_claims", "approval", "max_keys",
}

// profile sets f to the ready profile that n names.
func (r *reader) profile(n *yaml.Node, at string, f *Profile) (string, error) {
	name, err := r.text(n, at)
	if err != nil {
		return "", err
	}
	var names []string
	for _, known := range ready {
		if known.name == name {
			*f = known.profile()
			return name, nil
		}
		names = append(names, known.name)
	}
	return "", r.wrong(n, at, fmt.Sprintf("%q is no profile", name)+allowed(names))
}

func (r *reader) level(n *yaml.Node, at string) (Level, error) {
	text, err := r.text(n, at)
	if err != nil {
		return 0, err
	}
	var l Level
	if l.UnmarshalText([]byte(text)) != nil || l == Uncertified {
		return 0, r.wrong(n, at, fmt.Sprintf("%q is no level", text)+allowed(levels[1:]))
	}
	return l, nil
}
