package winhello

//lint:file-ignore U1000 it mirrors webauthn.h: used on Windows, and checked by a test everywhere

// The structures of Microsoft's webauthn.h, as far into each as the versions go
// that are asked for here: its dwVersion tells Windows where a structure ends. What
// Windows returns may be longer and is never copied whole.
// https://learn.microsoft.com/windows/win32/api/webauthn/

// Versions of the structures that are passed. Each is known to every Windows that
// has the interface, except preferResidentKeyVersion.
const (
	rpVersion                = 1
	userVersion              = 1
	clientDataVersion        = 1
	parameterVersion         = 1
	credentialVersion        = 1
	createOptionsVersion     = 3
	preferResidentKeyVersion = 4 // of the same structure, from API version 3
	getOptionsVersion        = 4

	preferResidentKeyAPI = 3
)

type (
	nativeRP struct {
		version        uint32
		id, name, icon *uint16
	}
	nativeUser struct {
		version, idSize         uint32
		id                      *byte
		name, icon, displayName *uint16
	}
	nativeClientData struct {
		version, size uint32
		json          *byte
		hash          *uint16
	}
	nativeParameter struct {
		version uint32
		kind    *uint16
		alg     int32
	}
	nativeParameters struct {
		count uint32
		first *nativeParameter
	}
	nativeCredential struct {
		version, idSize uint32
		id              *byte
		kind            *uint16
	}
	nativeCredentials struct {
		count uint32
		first *nativeCredential
	}
	nativeCredentialEx struct {
		nativeCredential
		transports uint32
	}
	nativeCredentialList struct {
		count uint32
		first **nativeCredentialEx
	}
	nativeExtensions struct {
		count uint32
		first *byte
	}
	nativeGUID struct {
		data1        uint32
		data2, data3 uint16
		data4        [8]byte
	}
	nativeCreateOptions struct {
		version, timeout   uint32
		credentials        nativeCredentials
		extensions         nativeExtensions
		attachment         uint32
		requireResidentKey int32
		verification       uint32
		conveyance         uint32
		flags              uint32
		cancellation       *nativeGUID           // version 2
		exclude            *nativeCredentialList // version 3
		enterprise         uint32                // version 4, to the end
		largeBlob          uint32
		preferResidentKey  int32
	}
	nativeGetOptions struct {
		version, timeout uint32
		credentials      nativeCredentials
		extensions       nativeExtensions
		attachment       uint32
		verification     uint32
		flags            uint32
		appID            *uint16 // version 2
		appIDUsed        *int32
		cancellation     *nativeGUID           // version 3
		allow            *nativeCredentialList // version 4
	}
	nativeAttestation struct {
		version       uint32
		format        *uint16
		authDataSize  uint32
		authData      *byte
		statementSize uint32
		statement     *byte
		decodeType    uint32
		decoded       *byte
		objectSize    uint32
		object        *byte
		idSize        uint32
		id            *byte
		extensions    nativeExtensions // version 2
		transport     uint32           // version 3
		enterprise    int32            // version 4, to the end
		largeBlob     int32
		discoverable  int32
	}
	nativeAssertion struct {
		version, authDataSize uint32
		authData              *byte
		signatureSize         uint32
		signature             *byte
		credential            nativeCredential
		userSize              uint32
		user                  *byte
	}
)

// transportSince is the version of what Windows returns from which on the
// transport is there.
const transportSince = 3

// Values of the members above. Zero is "any" in all of them.
const (
	attachmentPlatform      = 1
	attachmentCrossPlatform = 2

	verificationRequired    = 1
	verificationPreferred   = 2
	verificationDiscouraged = 3

	conveyanceNone     = 1
	conveyanceIndirect = 2
	conveyanceDirect   = 3

	transportUSB      = 0x01
	transportNFC      = 0x02
	transportBLE      = 0x04
	transportInternal = 0x10
	transportHybrid   = 0x20
)
