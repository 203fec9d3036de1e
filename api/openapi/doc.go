// Package openapi holds the contracts of the centre's APIs as OpenAPI 3.1 documents. They are the source: the centre
// validates requests from them, and its docs page and the generated tests are made of them. It must not know who
// serves or calls the APIs, and nothing in it can fail: a document that is not sound fails the tests.
//
// Entry point: Files.
package openapi
