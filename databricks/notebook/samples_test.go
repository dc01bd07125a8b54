package notebook_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"strings"
)

// The tokens of these tests are made here, so that nobody's scanner finds them in
// this file.
func digits(n int) string {
	sum := sha256.Sum256([]byte("lakekey"))
	return strings.Repeat(hex.EncodeToString(sum[:]), 4)[:n]
}

// mixed is n letters of both cases and digits.
func mixed(n int) string {
	var all []byte
	for i := byte(0); len(all) < n*2; i++ {
		sum := sha256.Sum256([]byte{i})
		all = append(all, sum[:]...)
	}
	return strings.NewReplacer("-", "a", "_", "B").Replace(base64.RawURLEncoding.EncodeToString(all))[:n]
}

func pat() string { return "dapi" + digits(32) }

func token() string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(map[string]string{"alg": "ES256", "kid": "1"}) + "." + part(map[string]any{"sub": "ada@example.com", "exp": 1795000000}) + "." + mixed(86)
}

func upper(n int) string { return strings.ToUpper(digits(n)) }

// summed is mixed(n) with the checksum that GitHub's tokens end in.
func summed(n int) string {
	sum, end := crc32.ChecksumIEEE([]byte(mixed(n))), ""
	for range 6 {
		end = string("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[sum%62]) + end
		sum /= 62
	}
	return mixed(n) + end
}

// samples are tokens by kind; what is in angle brackets is the token.
var samples = []struct{ kind, text string }{
	{"databricks-token", "<" + pat() + ">"},
	{"databricks-token", "spark.conf.set('t', '<" + pat() + "-3>')"},
	{"databricks-token", "secret <dose" + digits(32) + ">"},
	{"databricks-token", "<dkea" + digits(32) + ">"},
	{"jwt", "got <" + token() + ">."},
	{"private-key", "<-----BEGIN EC PRIVATE KEY-----\n" + mixed(64) + "\n-----END EC PRIVATE KEY----->"},
	{"private-key", "<-----BEGIN PRIVATE KEY-----\n" + mixed(64) + ">"},
	{"private-key", `{"kty":"EC","crv":"P-256","d":"<` + mixed(43) + `>","x":"` + strings.Repeat("A", 43) + `"}`},
	{"metadata-url", "DATABRICKS_METADATA_SERVICE_URL=http://127.0.0.1:4711/<" + mixed(43) + ">"},
	{"bearer-token", "Authorization: Bearer <" + mixed(40) + ">"},
	{"basic-auth", "'Authorization': 'Basic <" + mixed(24) + ">'"},
	{"url-password", "postgresql://ada:<" + mixed(12) + ">@db.example.com/x"},
	{"oauth-code", "http://localhost:8020/?state=1&code=<" + mixed(32) + ">"},
	{"azure-key", "AccountKey=<" + mixed(86) + "==>"},
	{"azure-sas", "https://x.blob.core.windows.net/y?sv=1&sig=<" + mixed(43) + "%3D>"},
	{"secret", `{'refresh_token': '<` + mixed(43) + `>'}`},
	{"secret", `os.environ["DATABRICKS_CLIENT_SECRET"] = "<` + mixed(30) + `>"`},
	{"aws-key", "aws_access_key_id <AKIA" + upper(16) + "> aws <" + mixed(40) + ">"},
	{"azure-key", "azure_key: <" + mixed(86) + "==>"},
	{"gcp-key", "<AIzaSyA" + mixed(32) + ">"},
	{"gcp-token", "<ya29." + mixed(60) + ">"},
	{"gcp-key", "<123456789012-" + digits(32) + ".apps.googleusercontent.com> <GOCSPX-" + mixed(28) + ">"},
	{"github-token", "<ghp_" + summed(30) + ">"},
	{"github-token", "<github_pat_" + mixed(22) + "_" + mixed(59) + ">"},
	{"github-token", "<gho_" + summed(30) + ">"},
	{"github-token", "<ghu_" + summed(30) + ">"},
	{"github-token", "<ghr_" + summed(70) + ">"},
	{"gitlab-token", "<glpat-" + mixed(20) + ">"},
	{"slack-token", "<xapp-1-" + upper(11) + "-1234567890123-" + digits(64) + ">"},
	{"vault-token", "<hvs." + mixed(30) + ">"},
	{"pypi-token", "<pypi-" + mixed(90) + ">"},
	{"huggingface-token", "<hf_" + strings.Repeat("abcdEFGHij", 4)[:34] + ">"},
	{"openai-key", "<sk-" + mixed(20) + "T3BlbkFJ" + mixed(20) + ">"},
	{"anthropic-key", "<sk-ant-api03-" + mixed(40) + ">"},
}

// harmless is what tokens are taken for.
var harmless = []string{
	"dapi" + strings.Repeat("0", 32),
	"dapiXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
	"sha256 " + digits(64) + ", sha1 " + digits(40) + ", dead" + digits(32),
	`token = dbutils.secrets.get(scope="jobs", key="databricks_token_2")`,
	`access_token = config.workspace_settings_v2.access_token`,
	`refresh_token = load_refresh_token_from_store_1()`,
	`headers = {"Authorization": f"Bearer {token_of_the_session}"}`,
	"postgresql://{user}:{password}@db.example.com",
	"https://example.com:8443/@ada",
	"eyJhbGciOiJub3RqO.abc.def",
	"8d3f0c52-6a1e-4b0f-9d6c-2f1f5a7c9e10",
	"AKIA" + upper(16) + " alone is a name, not a key",
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
}
