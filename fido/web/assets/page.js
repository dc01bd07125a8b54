// What the pages do beyond showing: they ask the browser for a key, and send
// forms as JSON. Nothing is ever put into a page as HTML.
'use strict';

const base = document.documentElement.dataset.base;
const $ = (selector, within = document) => within.querySelector(selector);

// --- Saying things

const say = (id, text) => {
	const other = $(id === 'said' ? '#wrong' : '#said');
	if (other) other.textContent = '';
	const at = $('#' + id);
	if (!at) return;
	at.textContent = text;
	if (text) {
		at.focus({preventScroll: true});
		at.scrollIntoView({block: 'nearest'});
	}
};

const sentence = (text) => {
	const s = text.trim();
	return s[0].toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? '' : '.');
};

// What a refusal of the server or of the browser means to a person.
const explain = (error, doing) => {
	if (error instanceof Refusal) return sentence(error.message);
	switch (error.name) {
	case 'NotAllowedError':
		return doing === 'register'
			? 'No key was registered: the request was cancelled, or nobody used a key in time. Try again when you are ready. A key that is asked for a PIN or a fingerprint must have one.'
			: 'No key was used: the request was cancelled, or nobody used a key in time. If your key was not offered, type your name first, and make sure that the key is registered here and has a PIN or a fingerprint.';
	case 'InvalidStateError':
		return 'This key is registered already. Use it to sign in, or choose another one.';
	case 'ConstraintError':
	case 'NotSupportedError':
		return 'This key cannot do what is needed here: it must verify you by a PIN or a fingerprint, and support ES256 or EdDSA. Use another key.';
	case 'SecurityError':
		return 'Your browser does not let this address use keys. Open this page at the address that you were given, over https.';
	case 'Unreachable':
		return 'The server cannot be reached. Check your connection, and try again.';
	case 'NoKeys':
		return 'This browser cannot use security keys. Use a current Chrome, Edge, Firefox or Safari, and open this page over https.';
	default:
		return 'That did not work (' + (error.name || 'error') + '). Try again, or use another browser.';
	}
};

// --- Talking to the server

class Refusal extends Error {
	constructor(status, answer) {
		super(answer.error_description || 'the server refused without saying why (' + status + ')');
		this.status = status;
		this.code = answer.error;
	}
}

const named = (name) => Object.assign(new Error(name), {name});

async function post(path, body, signal) {
	let response, answer;
	try {
		response = await fetch(path, {
			method: 'POST', credentials: 'same-origin', redirect: 'error', cache: 'no-store',
			headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body), signal,
		});
		answer = await response.json();
	} catch {
		throw named('Unreachable');
	}
	if (!response.ok) throw new Refusal(response.status, answer);
	return answer;
}

// --- Talking to keys. By hand, because older browsers lack parse…FromJSON, and
// password managers that put themselves in between lack toJSON.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const text = (buffer) => buffer && btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join(''))
	.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const descriptors = (list) => (list || []).map((d) => ({...d, id: bytes(d.id)}));
const requireKeys = () => { if (!window.PublicKeyCredential) throw named('NoKeys'); };

// ambient is a request to the browser that nobody waits for. One that somebody
// waits for ends it first: a browser has one at a time.
let ambient = null;
const endAmbient = async () => {
	ambient?.stop.abort();
	await ambient?.over;
	ambient = null;
};

async function create(o, extra) {
	requireKeys();
	if (!extra) await endAmbient();
	const publicKey = {...o, challenge: bytes(o.challenge), user: {...o.user, id: bytes(o.user.id)}, excludeCredentials: descriptors(o.excludeCredentials)};
	const c = await navigator.credentials.create({publicKey, ...extra});
	if (!c) throw named('NotAllowedError');
	return {
		id: c.id, rawId: text(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment || undefined,
		clientExtensionResults: results(c),
		response: {
			clientDataJSON: text(c.response.clientDataJSON), attestationObject: text(c.response.attestationObject),
			transports: c.response.getTransports ? c.response.getTransports() : [],
		},
	};
}

async function get(o, extra) {
	requireKeys();
	if (!extra) await endAmbient();
	const publicKey = {...o, challenge: bytes(o.challenge), allowCredentials: descriptors(o.allowCredentials)};
	const c = await navigator.credentials.get({publicKey, ...extra});
	if (!c) throw named('NotAllowedError');
	return {
		id: c.id, rawId: text(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment || undefined,
		clientExtensionResults: {},
		response: {
			clientDataJSON: text(c.response.clientDataJSON), authenticatorData: text(c.response.authenticatorData),
			signature: text(c.response.signature), userHandle: text(c.response.userHandle) || undefined,
		},
	};
}

const results = (c) => {
	const {credProps} = c.getClientExtensionResults ? c.getClientExtensionResults() : {};
	return credProps ? {credProps} : {};
};

// Tells the password manager what is left of what it keeps, where browsers can.
// https://www.w3.org/TR/webauthn-3/#sctn-signal-methods
const signal = async (method, what) => {
	try {
		await window.PublicKeyCredential?.[method]?.(what);
	} catch { /* it is a courtesy */ }
};

// --- Acts that need the key once more

async function confirmFirst() {
	const shade = $('#confirming'), before = document.activeElement;
	shade.hidden = false;
	shade.focus();
	try {
		const begun = await post(base + '/stepup', {step: 'options'});
		const response = await get(begun.options);
		await post(base + '/stepup', {step: 'finish', ceremony: begun.ceremony, response});
	} finally {
		shade.hidden = true;
		before?.focus();
	}
}

async function act(path, body) {
	try {
		return await post(path, body);
	} catch (error) {
		if (error.code === 'signed_out') {
			location.assign(base + '/signin?next=' + encodeURIComponent(location.pathname + location.search));
			return new Promise(() => {}); // this page is being left
		}
		if (error.code !== 'step_up_required') throw error;
	}
	await confirmFirst();
	return post(path, body);
}

// submit runs work for a form: one at a time, and with its errors said.
const onSubmit = (form, work, doing) => form?.addEventListener('submit', async (event) => {
	event.preventDefault();
	const buttons = [...form.querySelectorAll('button')];
	if (buttons.some((b) => b.disabled)) return;
	buttons.forEach((b) => { b.disabled = true; });
	form.setAttribute('aria-busy', 'true');
	say('wrong', '');
	try {
		await work(Object.fromEntries(new FormData(form)), event.submitter);
	} catch (error) {
		say('wrong', explain(error, doing));
	} finally {
		buttons.forEach((b) => { b.disabled = false; });
		form.removeAttribute('aria-busy');
	}
});

const saidNext = 'lakekey-said';
const reloadSaying = (words) => {
	if (words) sessionStorage.setItem(saidNext, words);
	location.reload();
	return new Promise(() => {}); // the buttons stay off until the page is gone
};

for (const form of document.querySelectorAll('form[data-post]')) {
	onSubmit(form, async (fields, button) => {
		const answer = await act(button?.getAttribute('formaction') || form.dataset.post, fields);
		if (answer.location) return location.assign(answer.location);
		return reloadSaying(button?.dataset.done || form.dataset.done);
	});
}

const copy = (button, what) => button?.addEventListener('click', async () => {
	try {
		await navigator.clipboard.writeText(what());
		say('said', 'Copied.');
	} catch {
		say('wrong', 'Your browser does not let this page copy. Select the text and copy it yourself.');
	}
});

// --- Pages

function signin() {
	const form = $('#signin'), here = location.pathname + location.search;
	let offered;

	const finish = async (begun, response) => {
		try {
			const done = await post(here, {step: 'finish', ceremony: begun.ceremony, response});
			location.assign(done.location);
			return new Promise(() => {});
		} catch (error) {
			// Its holder has shown the key: the password manager may forget it.
			if (error.code === 'key_revoked') await signal('signalUnknownCredential', {rpId: begun.options.rpId, credentialId: response.id});
			throw error;
		}
	};

	// offer has the browser list passkeys in the name's field, until it is told to
	// stop. A challenge does not live for ever, so it is made anew in time.
	const offer = () => {
		const stop = new AbortController();
		offered = {stop, over: list(stop.signal)};
	};
	const list = async (stopped) => {
		let renew;
		try {
			if (!form.elements.user || !(await window.PublicKeyCredential?.isConditionalMediationAvailable?.())) return;
			const begun = await post(here, {step: 'options'}, stopped);
			if (stopped.aborted) return;
			renew = setTimeout(async () => { await withdraw(); if (!form.hasAttribute('aria-busy')) offer(); }, begun.options.timeout * 0.8);
			const response = await get(begun.options, {mediation: 'conditional', signal: stopped});
			clearTimeout(renew);
			await finish(begun, response);
		} catch (error) {
			if (error instanceof Refusal && error.status !== 429) {
				say('wrong', explain(error, 'sign in'));
				offer();
			}
		} finally {
			clearTimeout(renew);
		}
	};
	// withdraw ends the offer. Only when the browser has let go of it is it asked for
	// a key in earnest: one that is asked twice at a time may answer neither.
	const withdraw = () => {
		offered.stop.abort();
		return offered.over;
	};

	onSubmit(form, async ({user}) => {
		await withdraw();
		try {
			const begun = await post(here, {step: 'options', user: (user || '').trim()});
			const response = await get(begun.options);
			await finish(begun, response);
		} catch (error) {
			offer();
			throw error;
		}
	}, 'sign in');
	offer();
}

function enroll() {
	const register = $('#register'), form = $('#registerform');
	let invite = '';

	const begin = async (code) => {
		const begun = await post(base + '/enroll/options', {invite: code});
		invite = code;
		$('#for').textContent = begun.user;
		$('#code').hidden = true;
		register.hidden = false;
	};
	const askForCode = () => { $('#code').hidden = false; };

	onSubmit($('#codeform'), async (fields) => {
		const pasted = fields.invite.trim();
		await begin(pasted.includes('#') ? pasted.slice(pasted.indexOf('#') + 1) : pasted);
		$('#name').focus();
	});

	onSubmit(form, async ({name}) => {
		const begun = await post(base + '/enroll/options', {invite, name});
		const response = await create(begun.options);
		const done = await post(base + '/enroll/credential', {ceremony: begun.ceremony, response});
		register.hidden = true;
		$('#registered').hidden = false;
		$('#registered-text').textContent = '“' + done.name + '” is a key of ' + done.user + ' now.';
		const pending = done.state === 'pending';
		$('#pending-text').hidden = !pending;
		$('#go').hidden = pending;
		$('#registered-title').focus();
	}, 'register');

	// The invitation leaves the address bar and the history at once: it is secret
	// until it is used, and others look at screens.
	const code = location.hash.slice(1); // nothing in it needs escaping
	history.replaceState(null, '', location.pathname);
	if (!code) return askForCode();
	begin(code).catch((error) => { say('wrong', explain(error, 'register')); askForCode(); });
}

function keys(page) {
	const signals = JSON.parse(page.dataset.signals);
	signal('signalAllAcceptedCredentials', signals.allAcceptedCredentials);
	signal('signalCurrentUserDetails', signals.currentUserDetails);

	const add = async (fields, extra) => {
		const begun = await act(base + '/keys/options', fields);
		const response = await create(begun.options, extra);
		return post(base + '/keys/credential', {ceremony: begun.ceremony, response});
	};
	onSubmit($('#addform'), async ({name}) => {
		const done = await add({name});
		return reloadSaying(done.state === 'pending' ? 'The key is registered. An administrator has to approve it.' : 'The key is registered.');
	}, 'register');

	onSubmit($('#recoveryform'), async () => {
		const {codes} = await act(base + '/keys/recovery', {});
		$('#codelist').replaceChildren(...codes.map((c) => Object.assign(document.createElement('li'), {textContent: c})));
		$('#codes').hidden = false;
		$('#recoveryform').hidden = $('#codes-before').hidden = true;
		$('#codes-title').focus();
	});
	copy($('#copycodes'), () => [...$('#codelist').children].map((li) => li.textContent).join('\n'));
	$('#printcodes').addEventListener('click', () => print());

	if ('quiet' in page.dataset) quietly(add);
}

// quietly lets the browser add a passkey of its own, without a prompt, for
// somebody who has just signed in. It may well decline, and that is no error.
function quietly(add) {
	const stop = new AbortController();
	ambient = {stop, over: addQuietly(add, stop.signal)};
}
async function addQuietly(add, stopped) {
	const tried = 'lakekey-quiet';
	if (sessionStorage.getItem(tried)) return;
	sessionStorage.setItem(tried, '1');
	try {
		const can = await window.PublicKeyCredential?.getClientCapabilities?.();
		if (!can?.conditionalCreate) return;
		await add({name: 'Passkey of this browser', quiet: true}, {mediation: 'conditional', signal: stopped});
		reloadSaying('Your browser has added a passkey, so that you can sign in without the key next time.');
	} catch { /* it declined, or the key policy did */ }
}

function invite() {
	onSubmit($('#inviteform'), async (fields) => {
		const made = await act(base + '/admin/invite', fields);
		$('#invited-user').textContent = made.user;
		$('#invited-until').textContent = local(made.expires);
		$('#link').value = made.link;
		$('#invited').hidden = false;
		$('#inviteform').reset();
		$('#invited-title').focus();
	});
	copy($('#copylink'), () => $('#link').value);
}

const local = (when) => new Date(when).toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'short'});
for (const at of document.querySelectorAll('time')) {
	at.title = at.textContent;
	at.textContent = local(at.dateTime);
}

const page = $('[data-page]');
if (page) ({signin, enroll, keys, invite})[page.dataset.page]?.(page);

const words = sessionStorage.getItem(saidNext);
if (words) {
	sessionStorage.removeItem(saidNext);
	say('said', words);
}
document.documentElement.dataset.ready = '';
