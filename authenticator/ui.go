package authenticator

import "context"

// UI is how a [Client] talks to the person in front of the key. It may be on
// another machine, so every method takes a ctx and may fail; an error ends the
// ceremony and is returned from it, wrapped. Methods are called one at a time
// within a ceremony.
//
// Without a UI a Client shows nothing and asks nothing: the key blinks by itself,
// and a ceremony that needs an answer fails with [ErrNoDevice],
// [ErrPINRequired] or [ErrChoiceRequired] instead of waiting for one.
type UI interface {
	// Touch says that the keys named in the prompt wait for a touch and
	// returns at once. The Client calls done when the wait is over, whatever
	// its end.
	Touch(ctx context.Context, p Prompt) (done func(), err error)
	// Verify is Touch for a key that verifies the person itself, by a
	// fingerprint for instance.
	Verify(ctx context.Context, p Prompt) (done func(), err error)
	// PIN asks for the PIN of a key. It is called again when the PIN was wrong
	// and the key would take several more; repeating the same one ends the
	// ceremony. The Client overwrites the bytes it gets.
	PIN(ctx context.Context, p PINPrompt) ([]byte, error)
	// ChooseAccount asks which account to sign in with and returns its index.
	ChooseAccount(ctx context.Context, rpID string, accounts []User) (int, error)
	// Insert asks for a key to be plugged in, once in a ceremony. It may
	// return at once; the Client looks for keys until there is one, and then
	// ends the ctx. An error gives up.
	Insert(ctx context.Context) error
}

// Prompt is what a person should know before touching a key.
type Prompt struct {
	RPID    string
	Origin  string
	Create  bool         // a credential is created; otherwise used
	Devices []Descriptor // which keys blink; one of several is chosen by touching it
	Select  bool         // this touch may only choose among the keys: another one follows
	Again   bool         // Verify only: the person was not recognised
}

// PINPrompt is what a person should know before typing a PIN.
type PINPrompt struct {
	RPID      string
	Device    Descriptor
	Retries   int  // wrong PINs left before the key locks itself for good
	MinLength int  // in characters
	Wrong     bool // the PIN that was typed last in this ceremony was wrong
}
