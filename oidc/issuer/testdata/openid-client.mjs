// What an ordinary client does, with the packages that ordinary clients use. The
// person in front of the browser is the Go test, at the other end of the pipe.
import assert from 'node:assert/strict';
import {createInterface} from 'node:readline';
import * as client from 'openid-client';
import {createRemoteJWKSet, importJWK, jwtVerify, SignJWT} from 'jose';

const [issuer, secretKey] = process.argv.slice(2);
const lines = createInterface({input: process.stdin})[Symbol.asyncIterator]();
const person = async (does) => {
	process.stdout.write(JSON.stringify(does) + '\n');
	const {value, done} = await lines.next();
	assert(!done, 'the person has gone');
	return JSON.parse(value);
};
const passed = (name) => process.stdout.write(JSON.stringify({passed: name}) + '\n');

// answer is what arrives at the client: a URL, or a form.
const answer = ({at, form}) => form === undefined ? new URL(at) : new Request(at, {
	method: 'POST', headers: {'content-type': 'application/x-www-form-urlencoded'}, body: form,
});

const open = async (id) => {
	const config = await client.discovery(new URL(issuer), id, undefined, client.None(), {execute: [client.allowInsecureRequests]});
	client.enableNonRepudiationChecks(config); // the signature is verified although it came over "TLS"
	return config;
};
const wiki = 'https://wiki.example.com/callback';

async function begin(more = {}) {
	const verifier = client.randomPKCECodeVerifier();
	const checks = {pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true};
	const parameters = {
		redirect_uri: wiki, scope: 'openid email', state: checks.expectedState, nonce: checks.expectedNonce,
		code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more,
	};
	return {checks, parameters};
}

const refuses = (code, fn) => assert.rejects(fn, (e) => {
	assert.equal(e.error ?? e.code, code, String(e.stack) + JSON.stringify(e.cause ?? null));
	return true;
});

const keys = createRemoteJWKSet(new URL(issuer + '/jwks'));

await (async function code() {
	const config = await open('wiki');
	assert.equal(config.serverMetadata().authorization_response_iss_parameter_supported, true);
	const {checks, parameters} = await begin({max_age: '60', acr_values: 'phr', claims: JSON.stringify({id_token: {acr: {essential: true, values: ['phr']}, auth_time: {essential: true}}})});
	const back = answer(await person({open: client.buildAuthorizationUrl(config, parameters).href}));
	const tokens = await client.authorizationCodeGrant(config, back, {...checks, maxAge: 60});
	const claims = tokens.claims();
	assert.equal(claims.acr, 'phr');
	assert.equal(claims.aud, 'wiki');
	const verified = await jwtVerify(tokens.id_token, keys, {issuer, audience: 'wiki', algorithms: ['ES256'], typ: 'JWT', requiredClaims: ['sub', 'nonce', 'auth_time', 'amr', 'sid', 'at_hash']});
	assert.equal(verified.payload.sub, 'ada@example.com');
	await jwtVerify(tokens.access_token, keys, {issuer, audience: issuer, typ: 'at+jwt'});
	assert.deepEqual(await client.fetchUserInfo(config, tokens.access_token, claims.sub), {sub: 'ada@example.com', email: 'ada@example.com'});
	await refuses('invalid_grant', () => client.authorizationCodeGrant(config, back, checks)); // the code again
	await assert.rejects(client.fetchUserInfo(config, tokens.access_token, claims.sub)); // which has ended the session
	passed('code');
})();

await (async function wrongAnswers() {
	const config = await open('wiki');
	const fresh = async () => {
		const {checks, parameters} = await begin();
		return {checks, back: new URL((await person({open: client.buildAuthorizationUrl(config, parameters).href})).at)};
	};
	for (const [change, check] of [
		[(back) => back.searchParams.set('iss', 'https://evil.example.com'), {}],
		[(back) => back.searchParams.delete('iss'), {}],
		[(back) => back.searchParams.set('state', 'x'), {}],
		[() => {}, {expectedNonce: 'another'}],
		[() => {}, {pkceCodeVerifier: client.randomPKCECodeVerifier()}],
	]) {
		const {checks, back} = await fresh();
		change(back);
		await assert.rejects(client.authorizationCodeGrant(config, back, {...checks, ...check}));
	}
	// The code of one sign-in in the answer of another.
	const mine = await fresh(), theirs = await fresh();
	mine.back.searchParams.set('code', theirs.back.searchParams.get('code'));
	await refuses('invalid_grant', () => client.authorizationCodeGrant(config, mine.back, mine.checks));
	passed('wrong answers');
})();

await (async function errors() {
	const config = await open('wiki');
	for (const [more, code] of [
		[{prompt: 'none'}, 'login_required'],
		[{claims: JSON.stringify({id_token: {acr: {essential: true, values: ['phrh']}}})}, 'unmet_authentication_requirements'],
		[{response_type: 'code id_token'}, 'unsupported_response_type'],
	]) {
		const {checks, parameters} = await begin(more);
		const back = answer(await person({open: client.buildAuthorizationUrl(config, parameters).href}));
		await refuses(code, () => client.authorizationCodeGrant(config, back, checks));
	}
	passed('errors');
})();

await (async function formPost() {
	const config = await open('wiki');
	const {checks, parameters} = await begin({response_mode: 'form_post'});
	const came = await person({open: client.buildAuthorizationUrl(config, parameters).href});
	assert.notEqual(came.form, undefined);
	assert.equal((await client.authorizationCodeGrant(config, answer(came), checks)).claims().sub, 'ada@example.com');
	passed('form_post');
})();

await (async function pushed() {
	const config = await open('wiki');
	const {checks, parameters} = await begin();
	const url = await client.buildAuthorizationUrlWithPAR(config, parameters);
	assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri']);
	const back = answer(await person({open: url.href}));
	assert.equal((await client.authorizationCodeGrant(config, back, checks)).claims().sub, 'ada@example.com');
	await refuses('invalid_request', async () => client.buildAuthorizationUrlWithPAR(config, (await begin({redirect_uri: 'https://evil.example.com'})).parameters));
	passed('pushed');
})();

await (async function proofOfPossession() {
	const config = await open('native');
	for (const way of ['named', 'pushed', 'late']) {
		const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
		const {checks, parameters} = await begin({redirect_uri: 'http://127.0.0.1:41000/callback'});
		const url = {
			named: async () => client.buildAuthorizationUrl(config, {...parameters, dpop_jkt: await DPoP.calculateThumbprint()}),
			pushed: () => client.buildAuthorizationUrlWithPAR(config, parameters, {DPoP}),
			late: () => client.buildAuthorizationUrl(config, parameters),
		};
		const back = answer(await person({open: (await url[way]()).href}));
		let tokens = await client.authorizationCodeGrant(config, back, checks, undefined, {DPoP});
		assert.equal(tokens.token_type, 'dpop');
		const sub = tokens.claims().sub, signedIn = tokens.claims().auth_time;
		await client.fetchUserInfo(config, tokens.access_token, sub, {DPoP});
		for (let n = 0; n < 2; n++) {
			const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, {DPoP});
			tokens = {refresh_token: tokens.refresh_token, ...next};
			assert.equal(next.claims().auth_time, signedIn);
		}
		await client.fetchUserInfo(config, tokens.access_token, sub, {DPoP});
		const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair('EdDSA'));
		await refuses('invalid_grant', () => client.refreshTokenGrant(config, tokens.refresh_token, undefined, {DPoP: thief}));
		await refuses('invalid_dpop_proof', () => client.refreshTokenGrant(config, tokens.refresh_token));
		await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub, {DPoP: thief}));
		await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub));
	}
	passed('proof of possession');
})();

await (async function device() {
	const config = await open('tv');
	const begun = await client.initiateDeviceAuthorization(config, {scope: 'openid email'});
	assert.equal(begun.verification_uri, issuer + '/device');
	begun.interval = 0.2; // nobody else waits for this test
	const waiting = client.pollDeviceAuthorizationGrant(config, begun);
	await person({approve: begun.user_code});
	const tokens = await waiting;
	assert.equal(tokens.claims().aud, 'tv');
	const second = await client.initiateDeviceAuthorization(config, {scope: 'openid'});
	second.interval = 0.2;
	await person({decline: second.user_code});
	await refuses('access_denied', () => client.pollDeviceAuthorizationGrant(config, second));
	passed('device');
})();

await (async function logout() {
	const config = await open('wiki');
	const {checks, parameters} = await begin();
	const tokens = await client.authorizationCodeGrant(config, answer(await person({open: client.buildAuthorizationUrl(config, parameters).href})), checks);
	await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
	const url = client.buildEndSessionUrl(config, {post_logout_redirect_uri: 'https://wiki.example.com/bye', id_token_hint: tokens.id_token, state: 'so long'});
	const {at} = await person({open: url.href});
	assert.equal(at, 'https://wiki.example.com/bye?state=so+long');
	await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
	passed('logout');
})();

const key = await importJWK(JSON.parse(secretKey), 'ES256');
const serviceWith = (key, id = 'service', kid = '1') => client.discovery(new URL(issuer), id, undefined, client.PrivateKeyJwt({key, kid}), {execute: [client.allowInsecureRequests]});

// signIn is what a service does that signs its requests.
async function signIn(config) {
	const {checks, parameters} = await begin();
	const url = await client.buildAuthorizationUrlWithPAR(config, parameters);
	return client.authorizationCodeGrant(config, answer(await person({open: url.href})), checks);
}

await (async function privateKeyJWT() {
	const config = await serviceWith(key);
	assert.deepEqual(config.serverMetadata().token_endpoint_auth_methods_supported, ['none', 'private_key_jwt']);
	const first = await signIn(config);
	assert.equal(first.claims().aud, 'service');
	const second = await client.refreshTokenGrant(config, first.refresh_token);
	assert.notEqual(second.refresh_token, first.refresh_token);
	const third = await client.refreshTokenGrant(config, second.refresh_token);
	assert.equal(third.claims().auth_time, first.claims().auth_time);
	await refuses('invalid_grant', () => client.refreshTokenGrant(config, first.refresh_token)); // a copy
	await refuses('invalid_grant', () => client.refreshTokenGrant(config, third.refresh_token)); // for which all are over
	const fourth = await signIn(config);
	await client.tokenRevocation(config, fourth.refresh_token);
	await refuses('invalid_grant', () => client.refreshTokenGrant(config, fourth.refresh_token));
	const stranger = await serviceWith((await crypto.subtle.generateKey({name: 'ECDSA', namedCurve: 'P-256'}, false, ['sign'])).privateKey);
	await refuses('invalid_client', () => client.refreshTokenGrant(stranger, fourth.refresh_token));
	const nobody = await open('service');
	await refuses('invalid_client', () => client.refreshTokenGrant(nobody, fourth.refresh_token));
	passed('private_key_jwt');
})();

await (async function introspection() {
	const config = await serviceWith(key);
	const tokens = await signIn(config);
	const access = await client.tokenIntrospection(config, tokens.access_token);
	assert.deepEqual([access.active, access.sub, access.client_id, access.scope, access.token_type, access.iss], [true, 'ada@example.com', 'service', 'openid email', 'Bearer', issuer]);
	assert.equal((await client.tokenIntrospection(config, tokens.refresh_token, {token_type_hint: 'refresh_token'})).active, true);
	const wiki = await open('wiki');
	const {checks, parameters} = await begin();
	const theirs = await client.authorizationCodeGrant(wiki, answer(await person({open: client.buildAuthorizationUrl(wiki, parameters).href})), checks);
	assert.deepEqual(await client.tokenIntrospection(config, theirs.access_token), {active: false});
	await refuses('invalid_client', () => client.tokenIntrospection(wiki, theirs.access_token));
	await client.tokenRevocation(config, tokens.refresh_token);
	for (const token of [tokens.access_token, tokens.id_token, tokens.refresh_token]) {
		assert.deepEqual(await client.tokenIntrospection(config, token), {active: false});
	}
	passed('introspection');
})();

await (async function tokenExchange() {
	const said = (id, header = {}) => new SignJWT({}).setProtectedHeader({alg: 'ES256', kid: '1', ...header}).setIssuer(id).setSubject(id)
		.setAudience(issuer).setJti(crypto.randomUUID()).setIssuedAt().setExpirationTime('1m').sign(key);
	const jwt = 'urn:ietf:params:oauth:token-type:jwt';
	const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
	const service = await serviceWith(key);
	assert(service.serverMetadata().grant_types_supported.includes(grant));
	// What the person's program does by hand: openid-client takes no ID token for others.
	const session = await signIn(service);
	const handed = await (await fetch(issuer + '/token', {method: 'POST', body: new URLSearchParams({
		grant_type: 'refresh_token', refresh_token: session.refresh_token, audience: 'assistant',
		client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: await said('service'),
	})})).json();
	const exchange = async (id, subject, more = {}) => client.genericGrantRequest(await serviceWith(key, id), grant, {
		subject_token: subject, subject_token_type: jwt, actor_token: await said(id, {typ: 'actor+jwt'}), actor_token_type: jwt, audience: 'warehouse', ...more,
	});
	const handedOn = await exchange('assistant', handed.id_token, {audience: 'helper', scope: 'sql'});
	assert.equal(handedOn.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token');
	const last = await exchange('helper', handedOn.access_token, {scope: 'sql'});
	const {payload} = await jwtVerify(last.access_token, keys, {issuer, audience: 'warehouse', algorithms: ['ES256'], typ: 'at+jwt', subject: 'ada@example.com'});
	assert.deepEqual(payload.act, {sub: 'helper', act: {sub: 'assistant'}});
	assert.deepEqual([payload.client_id, payload.scope], ['helper', 'sql']);
	assert.equal((await client.tokenIntrospection(await serviceWith(key, 'helper'), last.access_token)).active, true);
	await refuses('invalid_scope', () => exchange('helper', handedOn.access_token, {scope: 'sql files'}));
	await refuses('invalid_target', () => exchange('helper', handedOn.access_token, {audience: 'elsewhere'}));
	await refuses('invalid_request', () => exchange('helper', handed.id_token));
	await refuses('invalid_request', async () => exchange('assistant', handed.id_token, {actor_token: await said('assistant')}));
	await client.tokenRevocation(service, handed.refresh_token);
	await refuses('invalid_grant', () => exchange('assistant', handed.id_token));
	assert.deepEqual(await client.tokenIntrospection(await serviceWith(key, 'helper'), last.access_token), {active: false});
	passed('token exchange');
})();

lines.return?.();
process.stdin.destroy();
