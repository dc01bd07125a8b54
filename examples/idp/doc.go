// Idp is an OpenID provider whose only credential is a FIDO2 key.
//
//	idp -listen 127.0.0.1:8080 -url http://localhost:8080 -db sqlite:lakekey.db -audit audit.log
//	idp invite -db sqlite:lakekey.db -user ada@example.com [-group admins]
//
// -policy FILE says which keys are accepted, from whom (policy.yaml here shows
// how), and -metadata FILE keeps what the FIDO Alliance knows about key models.
//
// -clients FILE lists the programs that may ask for tokens beside lakekey's own, such
// as a wiki, or a service that signs its requests (clients.json here shows how).
//
// Tokens are signed with keys that it keeps and replaces by itself, every 90 days,
// so that nobody notices; idp keys list shows them, and idp keys revoke takes one
// that was stolen out of use. -signing-keys FILE brings keys of one's own.
//
// -providers FILE lists other identity providers (providers.json here shows how). What
// they push to /events/NAME when a person's session was revoked there, or a credential
// changed, ends that person's sessions here. Their certificates are watched: at 30, 14
// and 7 days there is a record of it, -metrics ADDR serves the days left at /metrics,
// and idp doctor says them.
//
// With -db postgres://USER@HOST/DATABASE -audit db -audit-key FILE any number of them,
// each with a copy of that key, are one provider behind one -url: any serves any
// step, and all write one log. -checkpoints PLACE keeps its signed checkpoints out
// of reach of whoever can write the log.
//
// Behind a reverse proxy, which https takes, -proxy says whose X-Forwarded-For is
// believed: the log then says from where people come, and limits are for each.
//
// The first serves discovery, sign-in, tokens, and the pages on which people
// look after their keys, until it is interrupted. Programs sign in as the client
// lakekey: with a key of their own machine; by a browser that comes back to
// http://127.0.0.1:PORT/callback; or by a code that is typed at the URL's /device.
//
// The second prints a one-time link with which a person registers a key, in a
// browser or with keyagent; it works while the first is running. Members of the
// group admins approve keys, invite and block people, and read the audit trail at
// the URL's /admin: the first of them is invited from the command line.
package main
