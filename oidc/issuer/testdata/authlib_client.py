"""What Authlib does at a provider. The person in front of the browser is the Go
test, at the other end of the pipe."""

import json
import sys
import urllib.parse

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749.errors import MismatchingStateException
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

issuer, secret = sys.argv[1:]
callback = "https://wiki.example.com/callback"


def person(**does):
    print(json.dumps(does), flush=True)
    return json.loads(sys.stdin.readline())


def passed(name):
    print(json.dumps({"passed": name}), flush=True)


session = OAuth2Session("wiki", token_endpoint_auth_method="none")
found = session.get(issuer + "/.well-known/openid-configuration", withhold_token=True).json()
keys = KeySet.import_key_set(session.get(found["jwks_uri"], withhold_token=True).json())


def discovery():
    assert found["issuer"] == issuer
    metadata = OpenIDProviderMetadata(found)
    https = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"}  # here it is http, on loopback
    https.add("id_token_signing_alg_values_supported")  # wants RS256 beside whatever else there is
    assert found["id_token_signing_alg_values_supported"] == ["ES256"]
    checked = 0
    for key in metadata.REGISTRY_KEYS:
        if key not in https and hasattr(metadata, "validate_" + key):
            getattr(metadata, "validate_" + key)()
            checked += 1
    assert checked > 20, checked


def sign_in(**more):
    client = OAuth2Session("wiki", redirect_uri=callback, scope="openid email", code_challenge_method="S256", token_endpoint_auth_method="none")
    verifier, nonce = generate_token(48), generate_token(20)
    url, state = client.create_authorization_url(found["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **more)
    return client, verifier, nonce, state, person(open=url)["at"]


def code():
    client, verifier, nonce, state, back = sign_in(max_age="60")
    token = client.fetch_token(found["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
    assert token["token_type"] == "Bearer", token
    decoded = jwt.decode(token["id_token"], keys, algorithms=["ES256"])
    claims = CodeIDToken(
        decoded.claims, decoded.header,
        {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": "wiki"}, "at_hash": {"essential": True}, "sid": {"essential": True}},
        {"nonce": nonce, "client_id": "wiki", "access_token": token["access_token"], "max_age": 60},
    )
    claims.validate(leeway=5)
    assert claims["sub"] == "ada@example.com"
    me = client.get(found["userinfo_endpoint"])
    assert me.status_code == 200 and me.json()["email"] == "ada@example.com", me.text
    bye = client.get(found["end_session_endpoint"], params={"id_token_hint": token["id_token"], "post_logout_redirect_uri": "https://wiki.example.com/bye"}, allow_redirects=False, withhold_token=True)
    assert (bye.status_code, bye.headers["location"]) == (303, "https://wiki.example.com/bye"), bye.text
    assert client.get(found["userinfo_endpoint"]).status_code == 401


def wrong():
    client, _, _, state, back = sign_in()
    try:
        client.fetch_token(found["token_endpoint"], authorization_response=back, state=state, code_verifier=generate_token(48))
        raise AssertionError("another verifier")
    except OAuthError as e:
        assert e.error == "invalid_grant", e.error
    client, verifier, _, state, back = sign_in()
    try:
        client.fetch_token(found["token_endpoint"], authorization_response=back.replace("state=", "state=x"), state=state, code_verifier=verifier)
        raise AssertionError("another state")
    except MismatchingStateException:
        pass
    answer = urllib.parse.parse_qs(urllib.parse.urlsplit(sign_in(prompt="none")[-1]).query)
    assert answer["error"] == ["login_required"], answer


def private_key_jwt():
    client = OAuth2Session("service", ECKey.import_key(json.loads(secret)), redirect_uri=callback, scope="openid email", code_challenge_method="S256", token_endpoint_auth_method="private_key_jwt")
    # The issuer, and not its token endpoint, is who an assertion is for.
    client.register_client_auth_method(PrivateKeyJWT(issuer, headers={"kid": "1"}, alg="ES256"))
    verifier = generate_token(48)
    url, state = client.create_authorization_url(found["authorization_endpoint"], code_verifier=verifier)
    back = person(open=url)["at"]
    first = client.fetch_token(found["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)["refresh_token"]
    second = client.refresh_token(found["token_endpoint"], refresh_token=first)["refresh_token"]
    assert second != first
    try:
        client.refresh_token(found["token_endpoint"], refresh_token=first)
        raise AssertionError("a refresh token twice")
    except OAuthError as e:
        assert e.error == "invalid_grant", e.error


for test in (discovery, code, wrong, private_key_jwt):
    test()
    passed(test.__name__)
