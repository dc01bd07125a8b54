package notebook

import (
	"bytes"
	"reflect"

	"github.com/google/osv-scalibr/veles"
	"github.com/google/osv-scalibr/veles/secrets/anthropicapikey"
	"github.com/google/osv-scalibr/veles/secrets/awsaccesskey"
	"github.com/google/osv-scalibr/veles/secrets/azurestorageaccountaccesskey"
	"github.com/google/osv-scalibr/veles/secrets/gcpapikey"
	"github.com/google/osv-scalibr/veles/secrets/gcpoauth2access"
	"github.com/google/osv-scalibr/veles/secrets/gcpoauth2client"
	"github.com/google/osv-scalibr/veles/secrets/gcshmackey"
	"github.com/google/osv-scalibr/veles/secrets/github"
	"github.com/google/osv-scalibr/veles/secrets/gitlabpat"
	"github.com/google/osv-scalibr/veles/secrets/hashicorpvault"
	"github.com/google/osv-scalibr/veles/secrets/huggingfaceapikey"
	"github.com/google/osv-scalibr/veles/secrets/openai"
	"github.com/google/osv-scalibr/veles/secrets/pypiapitoken"
	"github.com/google/osv-scalibr/veles/secrets/slacktoken"
)

// services are what other people's tokens look like.
var services = []struct {
	kind     string
	words    []string // as in rule
	detector veles.Detector
}{
	{"aws-key", []string{"AKIA", "ASIA"}, awsaccesskey.NewDetector()},
	{"azure-key", []string{"zure", "ZURE", "az storage"}, azurestorageaccountaccesskey.NewDetector()},
	{"gcp-key", []string{"AIzaSy"}, gcpapikey.NewDetector()},
	{"gcp-token", []string{"ya29."}, gcpoauth2access.NewDetector()},
	{"gcp-key", []string{"GOCSPX-"}, gcpoauth2client.NewDetector()},
	{"gcp-key", []string{"GOOG"}, gcshmackey.NewDetector()},
	{"github-token", []string{"ghp_"}, github.NewClassicPATDetector()},
	{"github-token", []string{"github_pat_"}, github.NewFineGrainedPATDetector()},
	{"github-token", []string{"gho_"}, github.NewOAuthTokenDetector()},
	{"github-token", []string{"ghs_"}, github.NewAppS2STokenDetector()},
	{"github-token", []string{"ghu_"}, github.NewAppU2SDetector()},
	{"github-token", []string{"ghr_"}, github.NewAppRefreshTokenDetector()},
	{"gitlab-token", []string{"glpat-"}, gitlabpat.NewDetector()},
	{"slack-token", []string{"xapp-"}, slacktoken.NewAppLevelTokenDetector()},
	{"slack-token", []string{"xoxp-"}, slacktoken.NewAppConfigAccessTokenDetector()},
	{"slack-token", []string{"xoxe-"}, slacktoken.NewAppConfigRefreshTokenDetector()},
	{"vault-token", []string{"hvs.", "hvb."}, hashicorpvault.NewTokenDetector()},
	{"pypi-token", []string{"pypi-"}, pypiapitoken.NewDetector()},
	{"huggingface-token", []string{"hf_"}, huggingfaceapikey.NewDetector()},
	{"openai-key", []string{"T3BlbkFJ"}, openai.NewDetector()},
	{"anthropic-key", []string{"sk-ant-"}, anthropicapikey.NewDetector()},
}

const shortestKey = 12 // bytes; what is shorter in a detector's answer is no key

// matchServices finds the tokens of services. Detectors say what they found and where
// its match begins, but not where it ends, so that their texts are searched for.
func matchServices(text []byte) (all []span) {
	for _, s := range services {
		if !contains(text, s.words) {
			continue
		}
		found, _ := s.detector.Detect(text)
		seen := map[string]bool{}
		for _, secret := range found {
			v := reflect.ValueOf(secret)
			if v.Kind() != reflect.Struct {
				continue
			}
			for i := range v.NumField() {
				if f := v.Field(i); f.Kind() == reflect.String && f.Len() >= shortestKey && !seen[f.String()] {
					seen[f.String()] = true
					all = append(all, occurrences(text, f.String(), s.kind)...)
				}
			}
		}
	}
	return all
}

func occurrences(text []byte, part, kind string) (all []span) {
	for from := 0; ; {
		i := bytes.Index(text[from:], []byte(part))
		if i < 0 {
			return all
		}
		all = append(all, span{from + i, from + i + len(part), kind})
		from += i + len(part)
	}
}
