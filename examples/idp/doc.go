// Idp is an OpenID provider whose only credential is a FIDO2 key.
//
//	idp -listen 127.0.0.1:8080 -url http://localhost:8080 -db sqlite:lakekey.db -audit audit.log
//	idp invite -db sqlite:lakekey.db -user ada@example.com
//
// -policy FILE says which keys are accepted, from whom (policy.yaml here shows
// how), and -metadata FILE keeps what the FIDO Alliance knows about key models.
//
// With -db postgres://USER@HOST/DATABASE any number of them, each with an -audit
// FILE of its own, are one provider behind one -url: any serves any step.
//
// The first serves discovery, sign-in, tokens and enrolment until it is
// interrupted. The second prints a one-time link with which a person registers a
// key; it works while the first is running.
package main
