// Key does what a person does with a security key: look at it, give it a PIN, see
// and delete what it stores, enrol a finger, try a registration and a sign-in, reset
// it, and lend it to a program on another machine. It shows the key management
// interfaces of package authenticator, and package authenticator/remote.
package main
