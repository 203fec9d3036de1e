// Package openid runs a real OpenID provider for tests: that of github.com/zitadel/oidc with its login page, a program of a module of
// its own that is built when it is needed. It fails the test.
//
// Entry points: Build for a program that a test runs itself, Start for a provider on loopback, Browse for somebody who signs in there.
package openid
