package softkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
)

// Subcommands of authenticatorBioEnrollment, CTAP 2.1 §6.7.
const (
	subEnrollBegin  = 0x01
	subEnrollNext   = 0x02
	subEnrollCancel = 0x03
	subFingers      = 0x04
	subNameFinger   = 0x05
	subRemoveFinger = 0x06
	subSensor       = 0x07
)

const (
	fingerprint      = 0x01 // the one modality that is defined
	maxFingers       = 5
	maxFingerName    = 64
	samplesPerFinger = 3
)

// Feedback on a sample.
const (
	sampleGood       = 0x00
	samplePoor       = 0x07
	sampleNoActivity = 0x0D
)

// finger is an enrolled fingerprint.
type finger struct {
	ID   []byte
	Name string
}

func newFinger(name string) finger {
	f := finger{ID: make([]byte, 8), Name: name}
	rand.Read(f.ID)
	return f
}

// enrollment is a finger with the samples that it still lacks.
type enrollment struct {
	finger  finger
	missing int
}

// bioEnrollment is authenticatorBioEnrollment.
func (k *Key) bioEnrollment(ctx context.Context, m params) ([]byte, error) {
	if k.opts.Verify == nil {
		return nil, errInvalidCommand
	}
	if asked, _, err := optional[bool](m, 6); err != nil {
		return nil, err
	} else if asked {
		return encode(nil, map[any]any{1: fingerprint}), nil
	}
	modality, err := required[int64](m, 1)
	if err != nil {
		return nil, err
	}
	if modality != fingerprint {
		return nil, errInvalidParameter
	}
	sub, err := required[int64](m, 2)
	if err != nil {
		return nil, err
	}
	switch sub {
	case subSensor:
		return encode(nil, map[any]any{1: fingerprint, 2: 1, 3: samplesPerFinger, 8: maxFingerName}), nil
	case subEnrollCancel:
		k.enrollment = nil
		return nil, nil
	}
	handlers := map[int64]func(context.Context, params) ([]byte, error){
		subEnrollBegin:  k.enrollBegin,
		subEnrollNext:   k.enrollNext,
		subFingers:      k.listFingers,
		subNameFinger:   k.nameFinger,
		subRemoveFinger: k.removeFinger,
	}
	handler, known := handlers[sub]
	if !known {
		return nil, errInvalidSubcommand
	}
	details, _, err := optional[map[any]any](m, 3)
	if err != nil {
		return nil, err
	}
	// "authenticate(pinUvAuthToken, fingerprint (0x01) || subCommand || subCommandParams)"
	message := []byte{fingerprint, byte(sub)}
	if details != nil {
		message = append(message, reencode(details)...)
	}
	if _, err := k.authorizeCommand(m, 4, permitBioEnrollment, message); err != nil {
		return nil, err
	}
	return handler(ctx, details)
}

func (k *Key) enrollBegin(ctx context.Context, details params) ([]byte, error) {
	k.enrollment = nil
	if len(k.fingers) >= maxFingers {
		return nil, errFingersFull
	}
	k.enrollment = &enrollment{finger: newFinger(""), missing: samplesPerFinger}
	return k.sample(ctx, map[any]any{4: k.enrollment.finger.ID})
}

func (k *Key) enrollNext(ctx context.Context, details params) ([]byte, error) {
	id, err := required[[]byte](details, 1)
	if err != nil {
		return nil, err
	}
	if k.enrollment == nil || !bytes.Equal(id, k.enrollment.finger.ID) {
		return nil, errInvalidParameter
	}
	return k.sample(ctx, map[any]any{})
}

// sample takes one: the touch that Options script stands for the finger.
func (k *Key) sample(ctx context.Context, response map[any]any) ([]byte, error) {
	e := k.enrollment
	switch err := k.waitForTouch(ctx); err {
	case nil:
		response[5] = sampleGood
		e.missing--
	case errUserActionTimeout:
		response[5] = sampleNoActivity
	case errOperationDenied:
		response[5] = samplePoor
	default:
		return nil, err
	}
	response[6] = e.missing
	if e.missing == 0 {
		k.enrollment = nil
		if err := k.commit(func(s *state) { s.fingers = append(s.fingers, e.finger) }); err != nil {
			return nil, err
		}
	}
	return encode(nil, response), nil
}

func (k *Key) listFingers(context.Context, params) ([]byte, error) {
	if len(k.fingers) == 0 {
		return nil, errInvalidOption // "If there are no enrollments … CTAP2_ERR_INVALID_OPTION"
	}
	list := []any{}
	for _, f := range k.fingers {
		list = append(list, map[any]any{1: f.ID, 2: f.Name})
	}
	return encode(nil, map[any]any{7: list}), nil
}

func (k *Key) nameFinger(_ context.Context, details params) ([]byte, error) {
	name, err := required[string](details, 2)
	if err != nil {
		return nil, err
	}
	if len(name) > maxFingerName {
		return nil, errInvalidLength
	}
	i, err := k.enrolled(details)
	if err != nil {
		return nil, err
	}
	return nil, k.commit(func(s *state) { s.fingers[i].Name = name })
}

func (k *Key) removeFinger(_ context.Context, details params) ([]byte, error) {
	i, err := k.enrolled(details)
	if err != nil {
		return nil, err
	}
	return nil, k.commit(func(s *state) { s.fingers = slices.Delete(s.fingers, i, i+1) })
}

func (k *Key) enrolled(details params) (int, error) {
	id, err := required[[]byte](details, 1)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(k.fingers, func(f finger) bool { return bytes.Equal(f.ID, id) })
	if i < 0 {
		return 0, errInvalidOption
	}
	return i, nil
}
