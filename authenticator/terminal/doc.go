// Package terminal asks and tells a person in front of a text terminal what an
// authenticator.Client wants to ask and tell.
//
// # Start here
//
// New(os.Stdin, os.Stderr) is an authenticator.UI. Give it to authenticator.NewClient.
//
// # Guarantees
//
//   - What is typed as a PIN is not shown, and is kept in no buffer but the one that
//     is returned. The terminal is as it was after every prompt, however it ended.
//   - Every wait ends with its ctx.
//   - What was typed before a prompt appeared does not answer it.
//   - When the input is not a terminal nothing is read from it: [ErrNotTerminal].
//   - The hint to touch a key appears only when the person does not do it at once.
//   - Names that come from a relying party or a key are printed without control
//     characters: they cannot write over the prompt.
//
// # Concurrency
//
// A UI shows one prompt at a time and is used by one ceremony at a time. A prompt that
// ended with its ctx leaves a read of the input behind, which takes one character from
// whoever else reads the same terminal.
package terminal
