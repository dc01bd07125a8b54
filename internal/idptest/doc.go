// Package idptest gives tests real OpenID providers that nobody here wrote.
//
// # Start here
//
// [Panva] starts panva's oidc-provider, whose person signs in as a test says, and
// which misbehaves on request. [Keycloak] starts Keycloak, which asks for a security
// key where a password is not enough. [Dex] starts Dex, which may send people to
// another provider, and [Zitadel] the example provider of zitadel/oidc. Each returns
// where it is and who its clients and people are; a [Visitor] signs a person in there
// without a browser. [Node] runs a JavaScript program with the packages openid-client
// and jose at hand.
//
// # Guarantees
//
// Everything listens on 127.0.0.1 only, at ports of its own. A provider ends with
// its test, or, if tests share it, with the test process, however that ends: a
// process that is killed leaves none behind. What a provider logged is shown when
// its test fails.
//
// .ci/idps installs and builds all of them, in fixed versions, under the user's
// cache directory. Where one is not installed, its tests skip and say what to run.
//
// # Non-goals
//
// Windows: tests skip there. Not for programs: it takes a testing.TB everywhere.
package idptest
