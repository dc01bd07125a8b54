// Softkey serves a software FIDO2 key that any tool on this machine can open: how
// does a program behave with a security key, when there is none at hand?
//
//	softkey -file key.softkey -pty
//	/dev/pts/3
//	                                      # in another terminal:
//	fido2-token -I /dev/pts/3
//	ssh-keygen -t ecdsa-sk -O device=/dev/pts/3
//
// Start with main.go. The key itself is package authenticator/softkey; it is not for
// production.
package main
