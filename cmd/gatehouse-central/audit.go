package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"gatehouse/central/store"
)

var errChain = errors.New("the audit log is not as it was written")

// verifyAudit prints a line for each chain with the hash of its last entry. Whoever keeps these lines elsewhere can tell later that
// the log still begins with what it had.
func verifyAudit(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("audit verify")
	org := f.String("org", "", "")
	if err := f.parse(args); err != nil {
		return err
	}
	db, organization, err := f.openFor(ctx, *org)
	if err != nil {
		return err
	}
	defer db.Close()
	chains, err := db.VerifyAudit(ctx, organization)
	if err != nil {
		return err
	}
	for _, c := range chains {
		state := "whole"
		if c.Broken != 0 {
			state, err = "BROKEN: "+c.Fault, errChain
		}
		fmt.Fprintf(out, "organisation %d: %d entries, head %x, %s\n", c.Organization, c.Entries, c.Head, state)
	}
	return err
}

// openFor opens the database and finds the organisation with this short name; 0 when the name is empty.
func (f flags) openFor(ctx context.Context, shortName string) (*store.Store, int64, error) {
	db, err := f.open(ctx)
	if err != nil || shortName == "" {
		return db, 0, err
	}
	id, err := organizationID(ctx, db, shortName)
	if err != nil {
		return nil, 0, errors.Join(err, db.Close())
	}
	return db, id, nil
}

// listAudit prints entries as lines of JSON, the newest first.
func listAudit(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("audit list")
	org, object, objectID := f.String("org", "", ""), f.String("object", "", ""), f.String("object-id", "", "")
	user, limit := f.Int64("user", 0, ""), f.Int("limit", 100, "")
	if err := f.parse(args); err != nil {
		return err
	}
	db, organization, err := f.openFor(ctx, *org)
	if err != nil {
		return err
	}
	defer db.Close()
	var scope store.Scope // of all
	if organization != 0 {
		scope = store.Scope{organization}
	}
	list, _, err := db.Audit(ctx, scope, store.AuditFilter{User: *user, Object: *object, ObjectID: *objectID}, store.Page{Limit: *limit})
	if err != nil {
		return err
	}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for _, e := range list {
		err := lines.Encode(map[string]any{"id": e.ID, "organization": e.Organization, "seq": e.Seq, "at": e.At.Format(time.RFC3339Nano),
			"actor": e.Actor, "role": e.Role, "address": e.Address, "request": e.Request, "action": e.Action, "object": e.Object,
			"object_id": e.ObjectID, "changes": e.Changes})
		if err != nil {
			return err
		}
	}
	return nil
}
