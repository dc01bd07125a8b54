package databricks

import (
	"net/url"
	"strings"

	"github.com/lakekey/lakekey/internal/origin"
)

// domains are Databricks' own, whose hosts all tell the truth about their
// account: the zones that the SDK lists, with what lies above them for a
// company's own name (acme.databricks.com), and GovCloud's for the DoD.
// databricksapps.com is not among them: customers' programs answer there.
// https://github.com/databricks/databricks-sdk-go/blob/v0.175.0/common/environment/environments.go
// https://docs.databricks.com/aws/en/security/privacy/gov-cloud
var domains = [...]string{
	".databricks.com",
	".databricks.us",
	".databricks.mil",
	".azuredatabricks.net",
	".databricks.azure.us",
	".databricks.azure.cn",
}

// namesItsAccount reports whether host, an origin in its normal form, is believed
// when it says which account it belongs to. That word becomes the audience of an
// ID token which the host then holds, so a stranger would have one for whichever
// account it likes. Loopback is believed as http on it is: it is this machine.
func namesItsAccount(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	name := u.Hostname()
	if origin.Loopback(name) {
		return true
	}
	for _, domain := range domains {
		if strings.HasSuffix(name, domain) {
			return true
		}
	}
	return false
}
