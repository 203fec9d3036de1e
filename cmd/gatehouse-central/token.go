package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"gatehouse/central/store"
)

const defaultOverlap = 24 * time.Hour // of the old and the new secret of a token

func createToken(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("token create")
	org, role := f.String("org", "", ""), f.String("role", "", "")
	name, description := f.String("name", "", ""), f.String("description", "", "")
	expires, networks := f.String("expires", "", ""), f.String("networks", "", "")
	if err := f.parse(args, "org", "role"); err != nil {
		return err
	}
	if !slices.Contains(store.Roles(), store.Role(*role)) {
		return fmt.Errorf("%w: --role %s is none of %v", errUsage, *role, store.Roles())
	}
	spec := store.TokenSpec{Organization: *org, Role: store.Role(*role), Name: *name, Description: *description}
	var err error
	if spec.Networks, err = store.ParseNetworks(*networks); err != nil {
		return fmt.Errorf("%w: --networks: %w", errUsage, err)
	}
	if spec.Expires, err = expiry(*expires, time.Now()); err != nil {
		return fmt.Errorf("%w: --expires: %w", errUsage, err)
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	token, err := db.IssueToken(ctx, spec)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no organisation %s", *org)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, token)
	return nil
}

// expiry reads a length of time like 720h, or a day or moment in UTC.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if length, lengthErr := time.ParseDuration(text); lengthErr == nil {
		at, err = now.Add(length), nil
	}
	if err != nil {
		return at, fmt.Errorf("%s is none of 720h, 2030-12-31, 2030-12-31T12:00:00Z", text)
	}
	if !at.After(now) {
		return at, fmt.Errorf("%s has passed", text)
	}
	return at, nil
}

func listTokens(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("token list")
	org := f.String("org", "", "")
	if err := f.parse(args); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if *org != "" {
		if _, err := organizationID(ctx, db, *org); err != nil {
			return err
		}
	}
	list, err := db.Tokens(ctx, *org)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tORG\tROLE\tSTATE\tCREATED\tLAST USED\tEXPIRES\tNETWORKS\tNAME")
	for _, t := range list {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Organization, t.Role, stateOf(t, time.Now()), when(t.Created),
			when(t.LastUsed), when(t.Expires), dash(t.Networks), t.Name)
	}
	return w.Flush()
}

func stateOf(t store.TokenInfo, now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return "expired"
	}
	return "good"
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func revokeToken(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("token revoke")
	id := f.Int64("id", 0, "")
	if err := f.parse(args); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return noSuchToken(*id, db.RevokeToken(ctx, *id))
}

func rotateToken(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("token rotate")
	id, overlap := f.Int64("id", 0, ""), f.Duration("overlap", defaultOverlap, "")
	if err := f.parse(args); err != nil {
		return err
	}
	if *overlap < 0 {
		return fmt.Errorf("%w: --overlap %s is negative", errUsage, *overlap)
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	token, err := db.RotateToken(ctx, *id, *overlap)
	if err != nil {
		return noSuchToken(*id, err)
	}
	fmt.Fprintln(out, token)
	return nil
}

func noSuchToken(id int64, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no token %d that is not revoked: see gatehouse-central token list", id)
	}
	return err
}

func setUserRole(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("user role")
	org, username, role := f.String("org", "", ""), f.String("username", "", ""), f.String("role", "", "")
	if err := f.parse(args, "org", "username", "role"); err != nil {
		return err
	}
	if may := append(store.UserRoles(), store.RoleUser); !slices.Contains(may, store.Role(*role)) {
		return fmt.Errorf("%w: --role %s is none of %v", errUsage, *role, may)
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	err = db.SetUserRole(ctx, *org, *username, store.Role(*role))
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("organisation %s has no user %s", *org, *username)
	}
	return err
}
