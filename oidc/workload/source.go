package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lakekey/lakekey/internal/secret"
)

// Source is where a job's tokens come from. The zero Source has none.
type Source struct {
	name  string
	fetch func(ctx context.Context, audience string) (secret.Value, error)

	// renew says what a person is to do when the source has nothing better than
	// a token that has expired.
	renew string
}

// String names the source. It holds no secret.
func (s Source) String() string { return s.name }

// The variables that Databricks' own tools read, so that a job that works with
// them works here.
// https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation-provider
const (
	fileVariable  = "DATABRICKS_OIDC_TOKEN_FILEPATH"
	namedVariable = "DATABRICKS_OIDC_TOKEN_ENV"
	tokenVariable = "DATABRICKS_OIDC_TOKEN"
)

// Detect says where this job's tokens come from, by the environment that getenv
// reads (os.Getenv). In this order: DATABRICKS_OIDC_TOKEN_FILEPATH names a file,
// DATABRICKS_OIDC_TOKEN_ENV a variable; GitHub Actions; Azure DevOps; the
// variable DATABRICKS_OIDC_TOKEN, which is what to call the one of GitLab's
// id_tokens. The error says what the job lacks.
func Detect(getenv func(string) string) (Source, error) {
	switch {
	case getenv(fileVariable) != "":
		return File(getenv(fileVariable)), nil
	case getenv(namedVariable) != "":
		return Variable(getenv, getenv(namedVariable))
	case getenv(githubURL) != "":
		return GitHub(getenv)
	case getenv(azureToken) != "":
		return AzureDevOps(getenv)
	case getenv(tokenVariable) != "":
		return Variable(getenv, tokenVariable)
	case getenv("GITHUB_ACTIONS") != "":
		return GitHub(getenv) // for its advice
	case getenv("TF_BUILD") != "":
		return AzureDevOps(getenv)
	case getenv("GITLAB_CI") != "":
		return Source{}, errors.New("workload: this GitLab job has no ID token: give it one in .gitlab-ci.yml, id_tokens: DATABRICKS_OIDC_TOKEN: aud: the audience of the federation policy")
	}
	return Source{}, fmt.Errorf("workload: nothing says that a job runs here: set %s to the file, or %s to the variable, that holds its token", fileVariable, namedVariable)
}

// File is a token in a file that somebody else keeps fresh, such as a projected
// service account token of Kubernetes. It is read anew each time.
func File(path string) Source {
	return Source{
		name:  "the file " + path,
		renew: "whatever writes the file must put a new token there",
		fetch: func(context.Context, string) (secret.Value, error) {
			f, err := os.Open(path)
			if err != nil {
				return secret.Value{}, fmt.Errorf("workload: reading the job's token: %v", err)
			}
			defer f.Close()
			text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
			if err != nil {
				return secret.Value{}, fmt.Errorf("workload: reading the job's token: %v", err)
			}
			return secret.New(strings.TrimSpace(string(text))), nil
		},
	}
}

// Variable is a token in an environment variable, as GitLab's id_tokens are. It
// cannot be renewed: the session is over when it expires.
func Variable(getenv func(string) string, name string) (Source, error) {
	if name == "" {
		return Source{}, errors.New("workload: which variable holds the job's token?")
	}
	return Source{
		name:  "the variable " + name,
		renew: "run the job again, or give its token a longer life",
		fetch: func(context.Context, string) (secret.Value, error) {
			text := strings.TrimSpace(getenv(name))
			if text == "" {
				return secret.Value{}, fmt.Errorf("workload: the variable %s is empty: in .gitlab-ci.yml, id_tokens: %s: aud: the audience of the federation policy", name, name)
			}
			return secret.New(text), nil
		},
	}, nil
}
