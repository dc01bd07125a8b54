package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"hash/crc32"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Phases of a record.
const (
	phaseEvent  = "event"  // it happened, or was refused
	phaseIntent = "intent" // it is about to happen
	phaseResult = "result" // how the intent it names ended
)

const (
	timeLayout = "2006-01-02T15:04:05.000000000Z"
	maxLine    = 64 << 10 // bytes of one record; bounds what a verifier holds in memory
	idLen      = 22       // 128 random bits in base64url

	prefixKey = `{"v":1,"seq":`
	timeKey   = `,"time":"`
	phaseKey  = `","phase":"`
	idKey     = `","id":"`
	intentKey = `","intent":"`
	prevKey   = `","prev":"`
	eventKey  = `","event":`
	crcKey    = `,"crc":"`
	crcTail   = len(crcKey) + 8 + len(`"}`)
)

type recordID [idLen]byte

func newRecordID() recordID {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	var id recordID
	base64.RawURLEncoding.Encode(id[:], raw[:])
	return id
}

// head is what links a record to the others. The event follows it.
type head struct {
	seq    uint64 // 1 for the first
	at     time.Time
	phase  string
	id     recordID
	intent recordID  // of a result
	prev   tlog.Hash // leaf hash of the record before
}

// appendRecord appends the one line, without its newline, that stands for a
// record. Every value has exactly one spelling and the order of the fields is
// fixed, so that equal records are equal bytes.
//
// The checksum at the end is no defence against a person; it tells decay from
// intent, and names the record that decayed even when it is the newest.
func appendRecord(dst []byte, h *head, event []byte) []byte {
	start := len(dst)
	dst = append(dst, prefixKey...)
	dst = strconv.AppendUint(dst, h.seq, 10)
	dst = append(dst, timeKey...)
	dst = h.at.UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, phaseKey...)
	dst = append(dst, h.phase...)
	dst = append(dst, idKey...)
	dst = append(dst, h.id[:]...)
	if h.phase == phaseResult {
		dst = append(dst, intentKey...)
		dst = append(dst, h.intent[:]...)
	}
	dst = append(dst, prevKey...)
	dst = base64.StdEncoding.AppendEncode(dst, h.prev[:])
	dst = append(dst, eventKey...)
	dst = append(dst, event...)
	return appendChecksum(dst, dst[start:])
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errForm     = errors.New("it is not in the one form a record has")
	errChecksum = errors.New("its checksum does not fit its bytes")
)

// parseRecord reads a line back. It accepts exactly what appendRecord writes:
// there is no second spelling of a record that means the same. typ is the type
// of the event and points into line. The event itself is read into e, unless e
// is nil.
func parseRecord(line []byte, e *Event) (h head, typ []byte, err error) {
	if len(line) < crcTail || len(line) > maxLine {
		return head{}, nil, errForm
	}
	body, tail := line[:len(line)-crcTail], line[len(line)-crcTail:]
	var want [crcTail]byte
	if !bytes.Equal(tail, appendChecksum(want[:0], body)) {
		return head{}, nil, errChecksum
	}

	r := reader{b: body}
	r.literal(prefixKey)
	h.seq = r.number()
	r.literal(timeKey)
	h.at = r.time()
	r.literal(phaseKey)
	h.phase = r.phase()
	r.literal(idKey)
	r.id(&h.id)
	if h.phase == phaseResult {
		r.literal(intentKey)
		r.id(&h.intent)
	}
	r.literal(prevKey)
	r.hash(&h.prev)
	r.literal(eventKey)
	typ, outcome := r.event(e)
	if r.bad || len(r.b) != 0 || (h.phase == phaseIntent) && outcome != "" || (h.phase == phaseResult) && outcome == "" {
		return head{}, nil, errForm
	}
	return h, typ, nil
}

func appendChecksum(dst, body []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, crcKey...)
	sum := crc32.Checksum(body, castagnoli)
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, digits[sum>>shift&0xf])
	}
	return append(dst, `"}`...)
}
