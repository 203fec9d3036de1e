// Command provider is an OpenID provider for tests: that of github.com/zitadel/oidc, with its own login page, for one issuer.
// It is a module of its own, so that what it needs never enters the product's.
//
//	provider ISSUER ADDR REDIRECT_URI [CERTIFICATE KEY]
//
// The clients "web" and "api" have the secret "secret". The user "test-user@" and the issuer's host, and "test-user2", have the
// password "verysecure".
package main
