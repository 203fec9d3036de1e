// Package portal is the HTTP of a gateway that guests meet: it answers requests that the kernel redirected here with the
// way to the login page, and it serves the login, status, terms and logout pages on the gateway's own address.
//
// It owns HTTP: Host and origin checks, form tokens, headers, limits on connections, and the memory of which redirected
// connections a station has, so that they can be forgotten when it logs in (DESIGN D9). It must not know how a station is
// found (Config.Identify), how anything is enforced, or the rules of a login (sessions).
//
// How it fails: with the portal gone, captive stations stay captive and get no answer on port 80; authorized ones notice
// nothing. A station that nobody can identify is shown what to do and is let nowhere.
//
// Entry points: New, Portal.Serve.
package portal
