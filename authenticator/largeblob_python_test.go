//go:build linux

package authenticator_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

// pythonBlobs registers, writes and reads a large blob with python-fido2, through the
// WebAuthn extension, and reads one of a credential that it is told.
const pythonBlobs = `
import os, sys
from base64 import urlsafe_b64decode
from fido2.client import DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.ctap2.extensions import LargeBlobExtension
from fido2.hid import CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor

path, pin, given, blob = sys.argv[1:]

class Line(CtapHidConnection):
    def __init__(self):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    def write_packet(self, packet):
        os.write(self.fd, b"\0" + packet)
    def read_packet(self):
        return os.read(self.fd, 64)
    def close(self):
        os.close(self.fd)

class Person(UserInteraction):
    def request_pin(self, permissions, rp_id):
        return pin

device = CtapHidDevice(HidDescriptor(path, 0, 0, 64, 64, None, None), Line())
client = Fido2Client(device, DefaultClientDataCollector("https://example.org"), user_interaction=Person(), extensions=[LargeBlobExtension()])
uv = "required" if pin else "discouraged"

def sign_in(credential_id, **blob):
    return client.get_assertion({
        "rpId": "example.org", "challenge": b"challenge-challenge", "userVerification": uv,
        "allowCredentials": [{"type": "public-key", "id": credential_id}], "extensions": {"largeBlob": blob},
    }).get_response(0).client_extension_results["largeBlob"]

print(sign_in(urlsafe_b64decode(given + "=="), read=True)["blob"])

made = client.make_credential({
    "rp": {"id": "example.org", "name": "Example"}, "user": {"id": b"python", "name": "python"}, "challenge": b"challenge-challenge",
    "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
    "authenticatorSelection": {"residentKey": "required", "userVerification": uv}, "extensions": {"largeBlob": {"support": "required"}},
})
assert made.client_extension_results["largeBlob"]["supported"]
content = urlsafe_b64decode(blob + "==")
assert sign_in(made.raw_id, write=content)["written"]
assert urlsafe_b64decode(sign_in(made.raw_id, read=True)["blob"] + "==") == content
print(made.id)
`

// What this package and python-fido2 keep on one key, each reads of the other.
func TestLargeBlobsWithPythonFIDO2(t *testing.T) {
	python := os.Getenv("LAKEKEY_PYTHON")
	if python == "" || exec.CommandContext(t.Context(), python, "-c", "import fido2").Run() != nil {
		t.Skip("no Python with fido2: make a venv, pip install fido2, set LAKEKEY_PYTHON to its python")
	}
	for name, o := range map[string]softkey.Options{"no PIN": {}, "PIN": {PIN: []byte("1234")}} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t, o)
			port, err := key.PlugPTY()
			require.NoError(t, err)
			defer port.Unplug()
			h := holder{t, clientOf(&person{pin: "1234"}, key)}
			ours, theirs := noise(9000), noise(1200) // of several messages, and of one
			id := h.register("ada")
			require.True(t, h.write(id, ours))

			out, err := exec.CommandContext(t.Context(), python, "-c", pythonBlobs, port.Path(), string(o.PIN), b64(id), b64(theirs)).CombinedOutput()
			require.NoError(t, err, "%s", out)
			lines := strings.Fields(string(out))
			require.Len(t, lines, 2, "%s", out)
			require.Equal(t, b64(ours), lines[0])
			made, err := base64.RawURLEncoding.DecodeString(lines[1])
			require.NoError(t, err)
			require.Equal(t, theirs, h.read(made))
			require.Equal(t, ours, h.read(id), "still there")
		})
	}
}
