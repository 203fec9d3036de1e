package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

func listGateways(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("gateway list")
	org := f.String("org", "", "")
	if err := f.parse(args); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	scope, err := scopeOf(ctx, db, *org)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tORG\tNAS-IDENTIFIER\tSTATE\tSEEN\tVERSION\tCERTIFICATE UNTIL\tNAME")
	p := store.Page{Limit: listPage}
	for more := true; more; p.Offset += listPage {
		var list []admin.Gateway
		if list, more, err = db.Gateways(ctx, scope, store.GatewayFilter{}, p); err != nil {
			return err
		}
		for _, g := range list {
			version, seen, until := "", time.Time{}, time.Time{}
			if g.Version != nil {
				version = *g.Version
			}
			if g.LastSeen != nil {
				seen = *g.LastSeen
			}
			if g.Certificate != nil && g.Certificate.Expires != nil {
				until = *g.Certificate.Expires
			}
			fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", g.ID, g.Organization, g.NASIdentifier, gatewayState(g), when(seen), dash(version), when(until), dash(g.Name))
		}
	}
	return w.Flush()
}

func gatewayState(g admin.Gateway) string {
	switch {
	case g.Revoked != nil:
		return "revoked"
	case g.LastSeen == nil:
		return "new"
	case g.Silent:
		return "silent"
	}
	return "good"
}

// scopeOf is an organisation with those below it; all of them where none is named.
func scopeOf(ctx context.Context, db *store.Store, org string) (all store.Scope, err error) {
	if org != "" {
		id, err := organizationID(ctx, db, org)
		if err != nil {
			return nil, err
		}
		return db.Subtree(ctx, id)
	}
	all = store.Scope{0} // nobody's, for a centre without organisations
	for offset := int64(0); ; offset += listPage {
		page, _, err := db.Organizations(ctx, nil, store.OrganizationFilter{Limit: listPage, Offset: offset})
		for _, o := range page {
			all = append(all, o.ID)
		}
		if err != nil || len(page) < listPage {
			return all, err
		}
	}
}

// claimGateway takes the gateway that waits with a code, or makes a claim token for one that will come by its name.
func claimGateway(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("gateway claim")
	org, code, nas, name := f.String("org", "", ""), f.String("code", "", ""), f.String("nas-identifier", "", ""), f.String("name", "", "")
	if err := f.parse(args, "org"); err != nil {
		return err
	}
	if (*code == "") == (*nas == "") {
		return fmt.Errorf("%w: either --code, which the router shows, or --nas-identifier", errUsage)
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	id, err := organizationID(ctx, db, *org)
	if err != nil {
		return err
	}
	if *code != "" {
		g, err := db.ClaimByCode(ctx, id, store.CleanCode(*code), *name, nil)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return errors.New("no gateway waits with this code: it is good for 15 minutes, and the router shows a new one")
		case err == nil:
			fmt.Fprintln(out, g.NASIdentifier)
		}
		return err
	}
	made, err := db.CreateGateway(ctx, id, *nas, *name, nil)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		g, err := gatewayNamed(ctx, db, *org, *nas)
		if err != nil {
			return err
		}
		if made, err = db.NewClaimToken(ctx, store.Scope{id}, g.ID); errors.Is(err, store.ErrActive) {
			return fmt.Errorf("%s has a token already: revoke it first", *nas)
		} else if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	fmt.Fprintln(out, made.ClaimToken)
	return nil
}

func revokeGateway(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("gateway revoke")
	org, nas := f.String("org", "", ""), f.String("nas-identifier", "", "")
	if err := f.parse(args, "org", "nas-identifier"); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	g, err := gatewayNamed(ctx, db, *org, *nas)
	if err != nil {
		return err
	}
	_, err = db.RevokeGateway(ctx, store.Scope{g.Organization}, g.ID)
	return err
}

func gatewayNamed(ctx context.Context, db *store.Store, org, nas string) (admin.Gateway, error) {
	id, err := organizationID(ctx, db, org)
	if err != nil {
		return admin.Gateway{}, err
	}
	list, _, err := db.Gateways(ctx, store.Scope{id}, store.GatewayFilter{NASIdentifier: nas}, store.Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s has no gateway %s", org, nas)
	}
	if err != nil {
		return admin.Gateway{}, err
	}
	return list[0], nil
}
