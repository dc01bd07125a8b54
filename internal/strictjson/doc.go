// Package strictjson reads JSON whose meaning two readers could disagree about
// if it were read leniently.
//
// RFC 8259 §4 leaves it open what an object means in which a name occurs twice;
// package encoding/json takes the last one and also takes "ID" for "id". What
// one reader checked, the next may then not see. This package refuses such
// objects, at every depth.
//
// # Start here
//
// [Check] says whether a text is acceptable; what it accepts can go to
// encoding/json. [Members] hands out the members of an object without decoding
// them, for callers that decode a few by hand; [Text] and [Base64URL] do that.
//
// # Guarantees
//
// What Check accepts, [encoding/json.Valid] accepts. No object has two members
// whose names differ at most in case. The work is linear in the size of the
// text: depth and members per object are bounded.
//
// # Concurrency
//
// All functions are safe for concurrent use and keep nothing.
package strictjson
