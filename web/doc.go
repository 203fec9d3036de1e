// Package web holds the pages that guests see: typed page structs in, HTML out, with their style and their words in each
// language in one place (texts_*.go).
//
// It owns how things look and read. It must not know about requests, routes, tokens' meaning or state, and it asks
// nothing of the browser: no JavaScript, no cookie, no second request. Every value from outside is escaped here.
//
// It cannot fail but by its writer; an unknown language is English, an unknown reason of refusal reads as an internal error.
//
// Entry points: Choose, the page structs and their View methods, NewTheme, SignInBody, Preview.
package web
