// Package remote uses a security key that is plugged in elsewhere: a program on a
// server asks, over a Unix socket that ssh forwards, the machine a person sits at.
//
// # Start here
//
// Beside the key, [Listen] makes the socket and a [Server] answers on it with an
// authenticator.Client. Where the program runs, [Dial] returns a [Client] with
// the methods of an authenticator.Client. In between:
//
//	ssh -R /run/user/1000/lakekey/key.sock:/home/ada/.lakekey/key.sock server.example
//
// The program examples/key has the side beside the key as its command serve.
//
// # Guarantees
//
//   - Whole ceremonies travel, never CTAP commands: the machine with the key checks
//     origin against RP ID and makes clientDataJSON itself, and does not trust the
//     asker in either.
//   - Nothing is allowed that the [Server] was not told to allow: no RP ID, and no
//     registration. The person hears who asks for what before the key is woken.
//   - The PIN never travels. Every prompt appears beside the key.
//   - One ceremony at a time. Whoever asks meanwhile is told [ErrBusy], after the
//     second that one which was cancelled has to end: in a queue, the touch meant for
//     one prompt would answer the next.
//   - A no lasts. For 30 seconds after the person denied a request, in the [Approver] or
//     at the key, everybody who asks is told [ErrDenied] and nobody is prompted; for
//     twice as long after each further no in a row, 16 minutes at most. A ceremony that
//     succeeds ends that. It holds for all who ask, because the name of a host is a
//     claim: a program that keeps asking can thus keep others from it.
//   - The end of the caller's ctx, and of the connection, ends the ceremony at the
//     key. A connection over which nothing comes for 15 seconds counts as ended,
//     so that a key does not blink for someone who is gone.
//   - What a person does for one request does not answer the next: after an asker gave
//     up while the person was prompted, nobody is prompted for a second.
//   - The socket has mode 0600 in a directory of mode 0700, and each side checks
//     with the kernel as whom the other one runs.
//
// # Non-goals
//
// Protection from the account that asks: whoever can run programs as the user, or
// as root, on the asking machine can ask as that user does, and may claim any
// host name. What they cannot do is to use the key unnoticed, untouched, or for an
// RP ID that is not on the list. The text of an error at the key travels to the
// asker, so a Key or its UI should put no secret in one.
//
// # Concurrency
//
// A Client and a Server are safe for concurrent use.
//
// # Compatibility
//
// Linux, macOS and FreeBSD; elsewhere Listen and Dial fail with
// errors.ErrUnsupported. Both sides must speak the same version of the protocol:
// frames of a four-byte length and at most 64 KiB of deterministic CBOR (RFC 8949
// §4.2.1), in which anything unknown is an error.
package remote
