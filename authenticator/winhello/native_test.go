package winhello_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/winhello"
)

// What a C compiler makes of Microsoft's webauthn.h on 64-bit machines: sizeof, and
// offsetof for members. The structures of options, attestations and assertions
// grow with their version, so that only offsets are compared.
func TestLayoutIsThatOfTheHeader(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the layout is that of 64-bit machines, the only ones this package supports: NOT compared here")
	}
	require.Equal(t, map[string]uintptr{
		"WEBAUTHN_RP_ENTITY_INFORMATION": 32, "WEBAUTHN_USER_ENTITY_INFORMATION": 40, "WEBAUTHN_USER_ENTITY_INFORMATION.pwszDisplayName": 32,
		"WEBAUTHN_CLIENT_DATA": 24, "WEBAUTHN_CLIENT_DATA.pwszHashAlgId": 16,
		"WEBAUTHN_COSE_CREDENTIAL_PARAMETER": 24, "WEBAUTHN_COSE_CREDENTIAL_PARAMETER.lAlg": 16, "WEBAUTHN_COSE_CREDENTIAL_PARAMETERS": 16,
		"WEBAUTHN_CREDENTIAL": 24, "WEBAUTHN_CREDENTIALS": 16, "WEBAUTHN_CREDENTIAL_EX": 32, "WEBAUTHN_CREDENTIAL_EX.dwTransports": 24,
		"WEBAUTHN_CREDENTIAL_LIST": 16, "WEBAUTHN_EXTENSIONS": 16, "GUID": 16,

		"MAKE.CredentialList": 8, "MAKE.Extensions": 24, "MAKE.dwAuthenticatorAttachment": 40, "MAKE.bRequireResidentKey": 44,
		"MAKE.dwUserVerificationRequirement": 48, "MAKE.dwAttestationConveyancePreference": 52, "MAKE.dwFlags": 56, "MAKE.pCancellationId": 64,
		"MAKE.pExcludeCredentialList": 72, "MAKE.dwEnterpriseAttestation": 80, "MAKE.dwLargeBlobSupport": 84, "MAKE.bPreferResidentKey": 88,

		"GET.CredentialList": 8, "GET.Extensions": 24, "GET.dwAuthenticatorAttachment": 40, "GET.dwUserVerificationRequirement": 44, "GET.dwFlags": 48,
		"GET.pwszU2fAppId": 56, "GET.pbU2fAppId": 64, "GET.pCancellationId": 72, "GET.pAllowCredentialList": 80,

		"ATTESTATION.pwszFormatType": 8, "ATTESTATION.cbAuthenticatorData": 16, "ATTESTATION.pbAuthenticatorData": 24, "ATTESTATION.cbAttestation": 32,
		"ATTESTATION.pbAttestation": 40, "ATTESTATION.dwAttestationDecodeType": 48, "ATTESTATION.pvAttestationDecode": 56, "ATTESTATION.cbAttestationObject": 64,
		"ATTESTATION.pbAttestationObject": 72, "ATTESTATION.cbCredentialId": 80, "ATTESTATION.pbCredentialId": 88, "ATTESTATION.Extensions": 96,
		"ATTESTATION.dwUsedTransport": 112, "ATTESTATION.bEpAtt": 116, "ATTESTATION.bLargeBlobSupported": 120, "ATTESTATION.bResidentKey": 124,

		"ASSERTION.cbAuthenticatorData": 4, "ASSERTION.pbAuthenticatorData": 8, "ASSERTION.cbSignature": 16, "ASSERTION.pbSignature": 24,
		"ASSERTION.Credential": 32, "ASSERTION.cbUserId": 56, "ASSERTION.pbUserId": 64,
	}, winhello.Layout())
}
