// Package central is the centre: the HTTP handlers of the GATE API (/api/v1/), of the operators' API (/admin/v1/) and of the
// gateways' API (/edge/v1/), who may call them, and what belongs to which organisation.
//
// It owns requests and answers: tokens, roles, body forms, pagination, error bodies, rate limits. Rows are store's
// business, passwords are sessions'. A new endpoint is an operation in a document of api/openapi, a line in routes.go or
// adminroutes.go and a file with its handler; a handler gets a call and returns status, body and error, and never writes an error
// itself. Which fields a request must have, of what type and how long, stands in the document alone: a handler sees only requests
// that keep to it, and the fields that it reads (readFields) have their types.
//
// It keeps no state but counters of guesses and requests, so any number may serve one database. When the database is away
// it answers 503 with Retry-After, and gateways keep their records.
//
// Entry points: New, Server.Handler, Server.Drain.
package central
