package keypolicy

import "go.yaml.in/yaml/v3"

// file is a policy file. Parse does not decode into it, because it could not say
// what is wrong and where.
type file struct {
	Version int         `yaml:"version"`
	Models  Models      `yaml:"models,omitempty"`
	Rules   []writtenAs `yaml:"rules"`
}

type writtenAs struct {
	Name   string   `yaml:"name"`
	Groups []string `yaml:"groups,omitempty"`
	Users  []string `yaml:"users,omitempty"`

	Attested      bool     `yaml:"attested,omitempty"`
	DeviceBound   bool     `yaml:"device_bound,omitempty"`
	Hardware      bool     `yaml:"hardware,omitempty"`
	FIPS          bool     `yaml:"fips,omitempty"`
	FIPSModels    []string `yaml:"fips_models,omitempty"`
	Certification string   `yaml:"certification,omitempty"`
	Attachment    string   `yaml:"attachment,omitempty"`
	AllowModels   []string `yaml:"allow_models,omitempty"`
	DenyModels    []string `yaml:"deny_models,omitempty"`

	UndesiredStatus            []string `yaml:"undesired_status,omitempty"`
	InsecureTolerateStatus     []string `yaml:"insecure_tolerate_status,omitempty"`
	InsecureNoUserVerification bool     `yaml:"insecure_no_user_verification,omitempty"`
	InsecureStaleMetadata      bool     `yaml:"insecure_stale_metadata,omitempty"`
	InsecureDenyClaims         bool     `yaml:"insecure_deny_claims,omitempty"`

	Approval Approval `yaml:"approval,omitempty"`
	MaxKeys  int      `yaml:"max_keys,omitempty"`
}

// Format returns the policy as a file in its canonical form: what a profile's
// name stands for is spelled out, lists are in order. [Parse] of it returns the
// same policy.
func (p *Policy) Format() []byte {
	p = p.orDefault()
	f := file{Version: version, Models: p.models}
	for _, r := range p.rules {
		q := r.Profile
		w := writtenAs{
			Name: r.Name, Groups: r.Groups, Users: r.Users, MaxKeys: r.MaxKeys,
			Attested: q.Attested, DeviceBound: q.DeviceBound, Hardware: q.Hardware, FIPS: q.FIPS, FIPSModels: q.FIPSModels,
			Attachment: q.Attachment, AllowModels: q.AllowModels, DenyModels: q.DenyModels,
			UndesiredStatus: q.UndesiredStatus, InsecureTolerateStatus: q.InsecureTolerateStatus,
			InsecureNoUserVerification: q.InsecureNoUserVerification, InsecureStaleMetadata: q.InsecureStaleMetadata, InsecureDenyClaims: q.InsecureDenyClaims,
		}
		if q.Certification != Uncertified {
			w.Certification = q.Certification.String()
		}
		if r.Approval != ApprovalNone {
			w.Approval = r.Approval
		}
		f.Rules = append(f.Rules, w)
	}
	b, _ := yaml.Marshal(f) // of plain values, which cannot fail
	return b
}
