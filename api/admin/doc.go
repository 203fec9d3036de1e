// Package admin is the contract of the admin API, version 1, below /admin/v1/: what an operator does that GATE's API has no
// resource for. Only types, constants and their JSON; standard library only. See CHANGELOG.md beside it for each change.
// (The package admin at the root is another thing: what an operator uses on a router.)
//
// Every documented field is always present, null where there is nothing to say. Bodies are JSON objects; PATCH takes those
// fields that are to change, null where one is to be cleared. An unknown field, and an unknown parameter of a list, is
// refused. Lists are newest first, in Pages. What has an ETag may be changed under If-Match, so that of two who edit one thing
// the second hears of the first. Every answer that is not 2xx has an Error for its body.
//
// Entry points: BasePath, Error, Page.
package admin
