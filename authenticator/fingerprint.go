package authenticator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Subcommands of authenticatorBioEnrollment, CTAP 2.1 §6.7.
const (
	subEnrollBegin  = 0x01
	subEnrollNext   = 0x02
	subEnrollCancel = 0x03
	subFingers      = 0x04
	subNameFinger   = 0x05
	subRemoveFinger = 0x06
)

const fingerprintModality = 0x01

// maxSamples bounds how often a person is asked for a finger: keys want about five.
const maxSamples = 100

// sampleDefects are the values of lastEnrollSampleStatus, §6.7.
var sampleDefects = map[int]string{
	0x01: "too high", 0x02: "too low", 0x03: "too far left", 0x04: "too far right", 0x05: "too fast", 0x06: "too slow",
	0x07: "poor quality", 0x08: "too skewed", 0x09: "too short", 0x0A: "it could not be merged with the others",
	0x0B: "this finger is enrolled already", 0x0D: "no finger was shown", 0x0E: "the finger was not lifted",
}

type wireBio struct {
	Modality   int             `cbor:"1,keyasint,omitempty"`
	Subcommand int             `cbor:"2,keyasint,omitempty"`
	Params     cbor.RawMessage `cbor:"3,keyasint,omitempty"`
	Protocol   int             `cbor:"4,keyasint,omitempty"`
	Proof      []byte          `cbor:"5,keyasint,omitempty"`
}

type wireBioParams struct {
	ID   []byte `cbor:"1,keyasint,omitempty"`
	Name string `cbor:"2,keyasint,omitempty"`
}

type wireFinger struct {
	ID   []byte `cbor:"1,keyasint"`
	Name string `cbor:"2,keyasint"`
}

type wireBioResult struct {
	ID        []byte       `cbor:"4,keyasint"`
	Sample    *int         `cbor:"5,keyasint"`
	Remaining *int         `cbor:"6,keyasint"`
	Fingers   []wireFinger `cbor:"7,keyasint"`
}

func hasSensor(info *Info) error {
	_, final := info.Options["bioEnroll"]
	_, preview := info.Options["userVerificationMgmtPreview"]
	if !final && !preview {
		return errors.New("authenticator: this key has no fingerprint sensor")
	}
	return nil
}

func (m *manager) bio(ctx context.Context, subcommand int, params *wireBioParams) (*wireBioResult, error) {
	request := &wireBio{Modality: fingerprintModality, Subcommand: subcommand}
	message := []byte{fingerprintModality, byte(subcommand)}
	if params != nil {
		encoded, err := m.codec.enc.Marshal(params)
		if err != nil {
			return nil, fmt.Errorf("authenticator: encoding a command: %v", err)
		}
		request.Params = encoded
		message = append(message, encoded...)
	}
	request.Proof, request.Protocol = m.auth.proof(message)
	response, err := m.device.call(ctx, m.codec, m.bioCommand(), request)
	if err != nil {
		return nil, err
	}
	if len(response) == 0 {
		return &wireBioResult{}, nil
	}
	result, err := parse[wireBioResult](m.codec, response, "a fingerprint")
	return &result, err
}

func (m *manager) bioCommand() byte {
	if _, final := m.device.limits.Options["bioEnroll"]; final {
		return cmdBio
	}
	return cmdBioPreview
}

func (d *ctap2) Fingerprints(ctx context.Context, pin []byte) ([]Fingerprint, error) {
	m, end, err := d.manager(ctx, pin, permitBioEnrollment, hasSensor)
	if err != nil {
		return nil, err
	}
	defer end()
	result, err := m.bio(ctx, subFingers, nil)
	if errors.Is(err, statusInvalidOption) {
		return nil, nil // "If there are no enrollments"
	}
	if err != nil {
		return nil, fmt.Errorf("listing fingerprints: %w", err)
	}
	var all []Fingerprint
	for _, f := range result.Fingers {
		if len(f.ID) == 0 {
			return nil, malformed("a fingerprint")
		}
		all = append(all, Fingerprint(f))
	}
	return all, nil
}

func (d *ctap2) EnrollFingerprint(ctx context.Context, pin []byte, name string, progress func(missing int, defect string)) (Fingerprint, error) {
	m, end, err := d.manager(ctx, pin, permitBioEnrollment, hasSensor)
	if err != nil {
		return Fingerprint{}, err
	}
	defer end()
	finger, err := m.enroll(ctx, progress)
	if err == nil && name != "" {
		finger.Name = name
		_, err = m.bio(ctx, subNameFinger, &wireBioParams{ID: finger.ID, Name: name})
	}
	if err != nil {
		return Fingerprint{}, fmt.Errorf("enrolling a fingerprint: %w", err)
	}
	return finger, nil
}

func (m *manager) enroll(ctx context.Context, progress func(int, string)) (Fingerprint, error) {
	result, err := m.bio(ctx, subEnrollBegin, nil)
	if err != nil {
		return Fingerprint{}, err
	}
	id := bytes.Clone(result.ID)
	if len(id) == 0 {
		return Fingerprint{}, malformed("a fingerprint")
	}
	for range maxSamples {
		if result.Remaining == nil || *result.Remaining < 0 || result.Sample == nil {
			return Fingerprint{}, malformed("a fingerprint sample")
		}
		if progress != nil {
			defect := sampleDefects[*result.Sample]
			if defect == "" && *result.Sample != 0 {
				defect = "not usable"
			}
			progress(*result.Remaining, defect)
		}
		if *result.Remaining == 0 {
			return Fingerprint{ID: id}, nil
		}
		if result, err = m.bio(ctx, subEnrollNext, &wireBioParams{ID: id}); err != nil {
			m.abandon(ctx)
			return Fingerprint{}, err
		}
	}
	m.abandon(ctx)
	return Fingerprint{}, malformed("a number of fingerprint samples")
}

// abandon ends an enrolment on the key, so that the next one finds it ready, even
// when the caller's ctx is what ended it.
func (m *manager) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// Whether it worked changes nothing for the caller: the enrolment failed.
	_, _ = m.device.call(ctx, m.codec, m.bioCommand(), &wireBio{Modality: fingerprintModality, Subcommand: subEnrollCancel})
}

func (d *ctap2) RenameFingerprint(ctx context.Context, pin []byte, f Fingerprint) error {
	return d.finger(ctx, pin, "renaming the fingerprint", subNameFinger, &wireBioParams{ID: f.ID, Name: f.Name})
}

func (d *ctap2) DeleteFingerprint(ctx context.Context, pin, id []byte) error {
	return d.finger(ctx, pin, "deleting the fingerprint", subRemoveFinger, &wireBioParams{ID: id})
}

func (d *ctap2) finger(ctx context.Context, pin []byte, doing string, subcommand int, params *wireBioParams) error {
	m, end, err := d.manager(ctx, pin, permitBioEnrollment, hasSensor)
	if err != nil {
		return err
	}
	defer end()
	if _, err := m.bio(ctx, subcommand, params); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
