package winhello

import (
	"unsafe"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// Asked is what Windows was asked for.
type Asked struct {
	Client                               *webauthn.ClientData
	RPName, UserName                     string
	UserID                               []byte
	Algorithms                           []int32
	List                                 [][]byte
	Attachment, Verification, Conveyance uint32
	RequireResident, PreferResident      bool
	Window                               uintptr
}

// Answer is what Windows returns.
type Answer struct {
	AuthData, Object, ID, Signature, User []byte
	Transport                             uint32
	Discoverable                          *bool
}

// Windows is the interface of Windows in a function.
type Windows func(a Asked, cancel <-chan struct{}) (Answer, error)

func (Windows) version() int { return 7 }

func (w Windows) create(window uintptr, c *creation, cancel <-chan struct{}) (*made, error) {
	a, err := w(Asked{
		Client: &c.client, RPName: c.rpName, UserName: c.userName, UserID: c.userID, Algorithms: c.algorithms, List: c.exclude, Attachment: c.attachment,
		Verification: c.verification, Conveyance: c.conveyance, RequireResident: c.requireResident, PreferResident: c.preferResident, Window: window,
	}, cancel)
	return &made{authData: a.AuthData, object: a.Object, transport: a.Transport, discoverable: a.Discoverable}, err
}

func (w Windows) get(window uintptr, s *assertion, cancel <-chan struct{}) (*signed, error) {
	a, err := w(Asked{Client: &s.client, List: s.allow, Verification: s.verification, Window: window}, cancel)
	return &signed{id: a.ID, authData: a.AuthData, signature: a.Signature, user: a.User}, err
}

// NewOn returns a Client on a Windows of the test's making.
func NewOn(w Windows, o Options) *Client { return newClient(w, o) }

// Layout is the size of each structure and the offset of its members.
func Layout() map[string]uintptr {
	var (
		rp     nativeRP
		user   nativeUser
		data   nativeClientData
		param  nativeParameter
		params nativeParameters
		cred   nativeCredential
		creds  nativeCredentials
		ex     nativeCredentialEx
		list   nativeCredentialList
		exts   nativeExtensions
		guid   nativeGUID
		c      nativeCreateOptions
		g      nativeGetOptions
		at     nativeAttestation
		as     nativeAssertion
	)
	return map[string]uintptr{
		"WEBAUTHN_RP_ENTITY_INFORMATION":                   unsafe.Sizeof(rp),
		"WEBAUTHN_USER_ENTITY_INFORMATION":                 unsafe.Sizeof(user),
		"WEBAUTHN_USER_ENTITY_INFORMATION.pwszDisplayName": unsafe.Offsetof(user.displayName),
		"WEBAUTHN_CLIENT_DATA":                             unsafe.Sizeof(data),
		"WEBAUTHN_CLIENT_DATA.pwszHashAlgId":               unsafe.Offsetof(data.hash),
		"WEBAUTHN_COSE_CREDENTIAL_PARAMETER":               unsafe.Sizeof(param),
		"WEBAUTHN_COSE_CREDENTIAL_PARAMETER.lAlg":          unsafe.Offsetof(param.alg),
		"WEBAUTHN_COSE_CREDENTIAL_PARAMETERS":              unsafe.Sizeof(params),
		"WEBAUTHN_CREDENTIAL":                              unsafe.Sizeof(cred),
		"WEBAUTHN_CREDENTIALS":                             unsafe.Sizeof(creds),
		"WEBAUTHN_CREDENTIAL_EX":                           unsafe.Sizeof(ex),
		"WEBAUTHN_CREDENTIAL_EX.dwTransports":              unsafe.Offsetof(ex.transports),
		"WEBAUTHN_CREDENTIAL_LIST":                         unsafe.Sizeof(list),
		"WEBAUTHN_EXTENSIONS":                              unsafe.Sizeof(exts),
		"GUID":                                             unsafe.Sizeof(guid),

		"MAKE.CredentialList":                    unsafe.Offsetof(c.credentials),
		"MAKE.Extensions":                        unsafe.Offsetof(c.extensions),
		"MAKE.dwAuthenticatorAttachment":         unsafe.Offsetof(c.attachment),
		"MAKE.bRequireResidentKey":               unsafe.Offsetof(c.requireResidentKey),
		"MAKE.dwUserVerificationRequirement":     unsafe.Offsetof(c.verification),
		"MAKE.dwAttestationConveyancePreference": unsafe.Offsetof(c.conveyance),
		"MAKE.dwFlags":                           unsafe.Offsetof(c.flags),
		"MAKE.pCancellationId":                   unsafe.Offsetof(c.cancellation),
		"MAKE.pExcludeCredentialList":            unsafe.Offsetof(c.exclude),
		"MAKE.dwEnterpriseAttestation":           unsafe.Offsetof(c.enterprise),
		"MAKE.dwLargeBlobSupport":                unsafe.Offsetof(c.largeBlob),
		"MAKE.bPreferResidentKey":                unsafe.Offsetof(c.preferResidentKey),

		"GET.CredentialList":                unsafe.Offsetof(g.credentials),
		"GET.Extensions":                    unsafe.Offsetof(g.extensions),
		"GET.dwAuthenticatorAttachment":     unsafe.Offsetof(g.attachment),
		"GET.dwUserVerificationRequirement": unsafe.Offsetof(g.verification),
		"GET.dwFlags":                       unsafe.Offsetof(g.flags),
		"GET.pwszU2fAppId":                  unsafe.Offsetof(g.appID),
		"GET.pbU2fAppId":                    unsafe.Offsetof(g.appIDUsed),
		"GET.pCancellationId":               unsafe.Offsetof(g.cancellation),
		"GET.pAllowCredentialList":          unsafe.Offsetof(g.allow),

		"ATTESTATION.pwszFormatType":          unsafe.Offsetof(at.format),
		"ATTESTATION.cbAuthenticatorData":     unsafe.Offsetof(at.authDataSize),
		"ATTESTATION.pbAuthenticatorData":     unsafe.Offsetof(at.authData),
		"ATTESTATION.cbAttestation":           unsafe.Offsetof(at.statementSize),
		"ATTESTATION.pbAttestation":           unsafe.Offsetof(at.statement),
		"ATTESTATION.dwAttestationDecodeType": unsafe.Offsetof(at.decodeType),
		"ATTESTATION.pvAttestationDecode":     unsafe.Offsetof(at.decoded),
		"ATTESTATION.cbAttestationObject":     unsafe.Offsetof(at.objectSize),
		"ATTESTATION.pbAttestationObject":     unsafe.Offsetof(at.object),
		"ATTESTATION.cbCredentialId":          unsafe.Offsetof(at.idSize),
		"ATTESTATION.pbCredentialId":          unsafe.Offsetof(at.id),
		"ATTESTATION.Extensions":              unsafe.Offsetof(at.extensions),
		"ATTESTATION.dwUsedTransport":         unsafe.Offsetof(at.transport),
		"ATTESTATION.bEpAtt":                  unsafe.Offsetof(at.enterprise),
		"ATTESTATION.bLargeBlobSupported":     unsafe.Offsetof(at.largeBlob),
		"ATTESTATION.bResidentKey":            unsafe.Offsetof(at.discoverable),

		"ASSERTION.cbAuthenticatorData": unsafe.Offsetof(as.authDataSize),
		"ASSERTION.pbAuthenticatorData": unsafe.Offsetof(as.authData),
		"ASSERTION.cbSignature":         unsafe.Offsetof(as.signatureSize),
		"ASSERTION.pbSignature":         unsafe.Offsetof(as.signature),
		"ASSERTION.Credential":          unsafe.Offsetof(as.credential),
		"ASSERTION.cbUserId":            unsafe.Offsetof(as.userSize),
		"ASSERTION.pbUserId":            unsafe.Offsetof(as.user),
	}
}
