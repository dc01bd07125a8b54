package main

// result is what -json prints. There is no secret in it.
type result struct {
	User            string          `json:"user"`
	CredentialID    string          `json:"credential_id"`
	AAGUID          string          `json:"aaguid"`
	Attestation     string          `json:"attestation"`
	SessionID       string          `json:"session_id"`
	Issuer          string          `json:"issuer"`
	SubjectToken    subjectToken    `json:"subject_token"`
	DatabricksToken databricksToken `json:"databricks_token"`
	Workspace       string          `json:"workspace"`
	CurrentUser     string          `json:"current_user"`
	Audit           auditResult     `json:"audit"`
	Touches         int             `json:"touches"`
	ElapsedMS       elapsed         `json:"elapsed_ms"`
}

// subjectToken is the ID token that the session yields.
type subjectToken struct {
	Algorithm string   `json:"alg"`
	ACR       string   `json:"acr"`
	AMR       []string `json:"amr"`
	Expires   int64    `json:"exp"` // seconds since 1970
}

type databricksToken struct {
	Scope   string `json:"scope"`
	Expires int64  `json:"exp"` // seconds since 1970
}

// auditResult is of the provider's log where the provider is this program's own,
// and of this program's own log otherwise.
type auditResult struct {
	Records  uint64 `json:"records"`
	Root     string `json:"root"`
	Verified bool   `json:"verified"`
}

type elapsed struct {
	Register  float64 `json:"register"`
	SignIn    float64 `json:"sign_in"`
	Exchange  float64 `json:"exchange"`
	FirstCall float64 `json:"first_call"`
}
