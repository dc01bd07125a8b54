package softkey

// Fault is what is wrong with a [Port].
type Fault int32

// Faults of the line to a key, for tests of what a client makes of them. INIT is
// answered as it should be unless stated otherwise.
const (
	Healthy        Fault = iota
	Silent               // nothing is answered, INIT included
	Mute                 // no command is answered
	Slow                 // every report takes 10 ms
	Busy                 // every command is refused: another host's is under way
	Flood                // a CTAP2 command is answered with keepalives for ever, a cancel too
	WrongChannel         // commands are answered on another host's channel
	Garbage              // commands are answered with random reports, one of them on the host's channel
	Oversized            // answers claim to be longer than any can be
	BadSequence          // the second report of an answer is missing
	GarbageCBOR          // CTAP2 commands are answered with success and what is not CBOR
	UnplugForTouch       // the key is pulled out when it is to be touched
)
