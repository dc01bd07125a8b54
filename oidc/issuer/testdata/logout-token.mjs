// What a client does with a logout token that it gets: npm's jose, and the rules of
// OpenID Connect Back-Channel Logout 1.0 §2.6 by hand.
import assert from 'node:assert/strict';
import {createRemoteJWKSet, jwtVerify} from 'jose';

const [issuer, client, session, token] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(issuer + '/jwks'));
const {payload, protectedHeader} = await jwtVerify(token, keys, {
	issuer, audience: client, typ: 'logout+jwt', algorithms: ['ES256'], maxTokenAge: '2m',
	requiredClaims: ['iat', 'exp', 'jti', 'sub', 'sid', 'events'],
});
assert.deepEqual(payload.events, {'http://schemas.openid.net/event/backchannel-logout': {}});
assert.equal(payload.sid, session);
assert.equal(payload.sub, 'ada@example.com');
assert.equal(payload.nonce, undefined);
assert.equal(protectedHeader.jwk, undefined);
assert.ok(payload.exp - payload.iat <= 120);
process.stdout.write(JSON.stringify({passed: 'logout token'}) + '\n');
