//go:build amd64 || arm64

package winhello

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// discoverableSince is the version of what Windows returns from which on it says
// whether a credential is discoverable.
const discoverableSince = 4

// dll is webauthn.dll.
type dll struct {
	api int

	createCredential, getAssertion, freeAttestation, freeAssertion *windows.LazyProc
	cancellationID, cancel                                         *windows.LazyProc
}

// loadSystem loads the DLL. NewLazySystemDLL searches the system directory and
// nothing else: a DLL of that name beside the program would see every ceremony.
func loadSystem() (system, error) {
	lib := windows.NewLazySystemDLL("webauthn.dll")
	if err := lib.Load(); err != nil {
		return nil, &UnsupportedError{Reason: fmt.Sprintf("webauthn.dll does not load, which Windows 10 1903 and later have: %v", err)}
	}
	d := &dll{}
	var version *windows.LazyProc
	for name, proc := range map[string]**windows.LazyProc{
		"WebAuthNGetApiVersionNumber":         &version,
		"WebAuthNAuthenticatorMakeCredential": &d.createCredential,
		"WebAuthNAuthenticatorGetAssertion":   &d.getAssertion,
		"WebAuthNFreeCredentialAttestation":   &d.freeAttestation,
		"WebAuthNFreeAssertion":               &d.freeAssertion,
		"WebAuthNGetCancellationId":           &d.cancellationID,
		"WebAuthNCancelCurrentOperation":      &d.cancel,
	} {
		*proc = lib.NewProc(name)
		// Call would panic for a procedure that is not there.
		if err := (*proc).Find(); err != nil {
			return nil, &UnsupportedError{Reason: fmt.Sprintf("webauthn.dll lacks %s: %v", name, err)}
		}
	}
	api, _, _ := version.Call()
	if d.api = int(uint32(api)); d.api < 1 {
		return nil, &UnsupportedError{Reason: fmt.Sprintf("webauthn.dll has API version %d", d.api)}
	}
	return d, nil
}

func (d *dll) version() int { return d.api }

func (d *dll) create(window uintptr, c *creation, cancel <-chan struct{}) (*made, error) {
	var s strings16
	kind := s.of(webauthn.PublicKey)
	rp := &nativeRP{version: rpVersion, id: s.of(c.client.RPID), name: s.of(c.rpName)}
	user := &nativeUser{
		version: userVersion, idSize: uint32(len(c.userID)), id: unsafe.SliceData(c.userID),
		name: s.of(c.userName), displayName: s.of(c.display),
	}
	parameters := make([]nativeParameter, len(c.algorithms))
	for i, alg := range c.algorithms {
		parameters[i] = nativeParameter{version: parameterVersion, kind: kind, alg: alg}
	}
	list := &nativeParameters{count: uint32(len(parameters)), first: unsafe.SliceData(parameters)}
	data := clientData(&s, c.client.JSON)
	if s.err != nil {
		return nil, s.err
	}
	guid, err := d.newCancellation()
	if err != nil {
		return nil, err
	}
	o := &nativeCreateOptions{
		version: createOptionsVersion, timeout: uint32(c.timeout.Milliseconds()), attachment: c.attachment,
		requireResidentKey: boolean(c.requireResident), verification: c.verification, conveyance: c.conveyance,
		cancellation: guid, exclude: credentialList(kind, c.exclude),
	}
	if c.preferResident && d.api >= preferResidentKeyAPI {
		o.version, o.preferResidentKey = preferResidentKeyVersion, 1
	}
	defer d.cancelWhen(cancel, guid)()
	var out *nativeAttestation
	hr, _, _ := d.createCredential.Call(d.window(window), uintptr(unsafe.Pointer(rp)), uintptr(unsafe.Pointer(user)),
		uintptr(unsafe.Pointer(list)), uintptr(unsafe.Pointer(data)), uintptr(unsafe.Pointer(o)), uintptr(unsafe.Pointer(&out)))
	runtime.KeepAlive(c)
	if err := result(hr); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, errMalformed
	}
	defer func() { _, _, _ = d.freeAttestation.Call(uintptr(unsafe.Pointer(out))) }()
	m := &made{authData: copied(out.authData, out.authDataSize), object: copied(out.object, out.objectSize)}
	if out.version >= transportSince {
		m.transport = out.transport
	}
	if out.version >= discoverableSince {
		is := out.discoverable != 0
		m.discoverable = &is
	}
	return m, nil
}

func (d *dll) get(window uintptr, a *assertion, cancel <-chan struct{}) (*signed, error) {
	var s strings16
	kind, rpID := s.of(webauthn.PublicKey), s.of(a.client.RPID)
	data := clientData(&s, a.client.JSON)
	if s.err != nil {
		return nil, s.err
	}
	guid, err := d.newCancellation()
	if err != nil {
		return nil, err
	}
	o := &nativeGetOptions{
		version: getOptionsVersion, timeout: uint32(a.timeout.Milliseconds()), verification: a.verification,
		cancellation: guid, allow: credentialList(kind, a.allow),
	}
	defer d.cancelWhen(cancel, guid)()
	var out *nativeAssertion
	hr, _, _ := d.getAssertion.Call(d.window(window), uintptr(unsafe.Pointer(rpID)), uintptr(unsafe.Pointer(data)),
		uintptr(unsafe.Pointer(o)), uintptr(unsafe.Pointer(&out)))
	runtime.KeepAlive(a)
	if err := result(hr); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, errMalformed
	}
	defer func() { _, _, _ = d.freeAssertion.Call(uintptr(unsafe.Pointer(out))) }()
	return &signed{
		id: copied(out.credential.id, out.credential.idSize), authData: copied(out.authData, out.authDataSize),
		signature: copied(out.signature, out.signatureSize), user: copied(out.user, out.userSize),
	}, nil
}

// window is where the prompts appear: without one, they may open behind others.
func (d *dll) window(asked uintptr) uintptr {
	if asked != 0 {
		return asked
	}
	if front := windows.GetForegroundWindow(); front != 0 {
		return uintptr(front)
	}
	return uintptr(windows.GetDesktopWindow())
}

func (d *dll) newCancellation() (*nativeGUID, error) {
	guid := new(nativeGUID)
	hr, _, _ := d.cancellationID.Call(uintptr(unsafe.Pointer(guid)))
	return guid, result(hr)
}

// cancelInterval is how often a cancellation is repeated: one that comes before
// Windows has begun is lost.
const cancelInterval = 50 * time.Millisecond

// cancelWhen cancels the operation once a channel is closed, until the function it
// returns is called.
func (d *dll) cancelWhen(cancel <-chan struct{}, guid *nativeGUID) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
			return
		case <-cancel:
		}
		for {
			_, _, _ = d.cancel.Call(uintptr(unsafe.Pointer(guid)))
			select {
			case <-over:
				return
			case <-time.After(cancelInterval):
			}
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}

// result is an HRESULT: negative values are errors.
func result(hr uintptr) error {
	if int32(hr) < 0 {
		return Error(uint32(hr))
	}
	return nil
}

// strings16 makes UTF-16 strings and remembers the first that cannot be one.
type strings16 struct{ err error }

func (s *strings16) of(text string) *uint16 {
	p, err := windows.UTF16PtrFromString(text)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("winhello: a text in the options contains a zero byte")
	}
	return p
}

func clientData(s *strings16, json []byte) *nativeClientData {
	return &nativeClientData{version: clientDataVersion, size: uint32(len(json)), json: unsafe.SliceData(json), hash: s.of("SHA-256")}
}

// credentialList returns nil for no list, which to Windows means any credential.
func credentialList(kind *uint16, ids [][]byte) *nativeCredentialList {
	if len(ids) == 0 {
		return nil
	}
	list := make([]*nativeCredentialEx, len(ids))
	for i, id := range ids {
		list[i] = &nativeCredentialEx{nativeCredential: nativeCredential{
			version: credentialVersion, idSize: uint32(len(id)), id: unsafe.SliceData(id), kind: kind,
		}}
	}
	return &nativeCredentialList{count: uint32(len(list)), first: unsafe.SliceData(list)}
}

func boolean(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// maxReturned bounds what is copied out of Windows' memory.
const maxReturned = 1 << 20

func copied(p *byte, size uint32) []byte {
	if p == nil || size == 0 || size > maxReturned {
		return nil
	}
	return append([]byte(nil), unsafe.Slice(p, size)...)
}
