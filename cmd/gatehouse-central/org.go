package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/central/store"
)

func listOrganizations(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("org list")
	if err := f.parse(args); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSHORT NAME\tPARENT\tSTATE\tUSERS\tNAME")
	names := make(map[int64]string) // a parent is older than what is below it
	for offset := int64(0); ; offset += 100 {
		page, _, err := db.Organizations(ctx, nil, store.OrganizationFilter{Limit: 100, Offset: offset})
		if err != nil {
			return err
		}
		for _, o := range page {
			names[o.ID] = o.ShortName
			users, err := db.CountUsers(ctx, store.Scope{o.ID})
			if err != nil {
				return err
			}
			most := ""
			if o.MaxUsers != nil {
				most = fmt.Sprintf(" of %d", *o.MaxUsers)
			}
			parent := "-"
			if o.Parent != nil {
				parent = names[*o.Parent]
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d%s\t%s\n", o.ID, o.ShortName, parent, organizationState(o), users, most, o.Name)
		}
		if len(page) < 100 {
			return w.Flush()
		}
	}
}

func organizationState(o store.Organization) string {
	switch {
	case o.Deleted:
		return "deleted"
	case !o.IsActive:
		return "off"
	}
	return "on"
}

func updateOrganization(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("org update")
	shortName := f.String("short-name", "", "")
	settings := organizationSettings()
	for name := range settings {
		f.String(name, "", "")
	}
	if err := f.parse(args, "short-name"); err != nil {
		return err
	}
	var given store.Organization // what is wrong with a value does not depend on the organisation
	set := func(o *store.Organization) (err error) {
		f.Visit(func(g *flag.Flag) {
			if change := settings[g.Name]; change != nil {
				if wrong := change(o, g.Value.String()); wrong != nil {
					err = errors.Join(err, fmt.Errorf("%w: --%s %s: %w", errUsage, g.Name, g.Value, wrong))
				}
			}
		})
		return err
	}
	if err := set(&given); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.UpdateOrganization(ctx, *shortName, func(o *store.Organization) { _ = set(o) })
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no organisation %s", *shortName)
	}
	return err
}

type setting func(o *store.Organization, value string) error

var (
	countryForm  = regexp.MustCompile(`^[A-Z]{2}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	colourForm   = regexp.MustCompile(`^#[0-9A-Fa-f]{3}([0-9A-Fa-f]{3})?$`)
)

// organizationSettings are what org update changes. An empty value takes away what need not be there.
func organizationSettings() map[string]setting {
	anything := func(string) error { return nil }
	form := func(re *regexp.Regexp, want string) func(string) error {
		return func(v string) error {
			if !re.MatchString(v) {
				return errors.New("must be " + want)
			}
			return nil
		}
	}
	optional := func(to func(*store.Organization) **string, check func(string) error) setting {
		return func(o *store.Organization, v string) error {
			if *to(o) = nil; v == "" {
				return nil
			}
			*to(o) = &v
			return check(v)
		}
	}
	needed := func(to func(*store.Organization) *string, check func(string) error) setting {
		return func(o *store.Organization, v string) error {
			if *to(o) = v; v == "" {
				return errors.New("must not be empty")
			}
			return check(v)
		}
	}
	yesNo := func(to func(*store.Organization) *bool) setting {
		return func(o *store.Organization, v string) (err error) {
			if *to(o), err = strconv.ParseBool(v); err != nil {
				return errors.New("must be true or false")
			}
			return nil
		}
	}
	bound := func(to func(*store.Organization) **int64) setting {
		return func(o *store.Organization, v string) error {
			if *to(o) = nil; v == "" {
				return nil
			}
			n, err := wholeNumber(v, 1<<53)
			*to(o) = &n
			return err
		}
	}
	seconds := func(to func(*store.Organization) *int64) setting {
		return func(o *store.Organization, v string) (err error) {
			*to(o), err = wholeNumber(v, 7*24*3600)
			return err
		}
	}
	return map[string]setting{
		"name":                needed(func(o *store.Organization) *string { return &o.Name }, anything),
		"description":         optional(func(o *store.Organization) **string { return &o.Description }, anything),
		"active":              yesNo(func(o *store.Organization) *bool { return &o.IsActive }),
		"deleted":             yesNo(func(o *store.Organization) *bool { return &o.Deleted }),
		"country":             optional(func(o *store.Organization) **string { return &o.CountryCode }, form(countryForm, "two capital letters")),
		"platform":            func(o *store.Organization, v string) (err error) { o.Platform, err = wholeNumber(v, 127); return err },
		"display-name":        optional(func(o *store.Organization) **string { return &o.DisplayName }, anything),
		"website":             optional(func(o *store.Organization) **string { return &o.Website }, webAddress),
		"industry":            optional(func(o *store.Organization) **string { return &o.Industry }, anything),
		"size":                optional(func(o *store.Organization) **string { return &o.Size }, anything),
		"timezone":            needed(func(o *store.Organization) *string { return &o.Timezone }, timeZone),
		"date-format":         needed(func(o *store.Organization) *string { return &o.DateFormat }, anything),
		"currency":            needed(func(o *store.Organization) *string { return &o.Currency }, form(currencyForm, "three capital letters")),
		"language":            needed(func(o *store.Organization) *string { return &o.Language }, anything),
		"plan":                optional(func(o *store.Organization) **string { return &o.Plan }, anything),
		"subscription-status": needed(func(o *store.Organization) *string { return &o.SubscriptionStatus }, anything),
		"subscription-ends":   subscriptionEnds,
		"features": func(o *store.Organization, v string) error {
			o.Features = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
			return nil
		},
		"max-users":       bound(func(o *store.Organization) **int64 { return &o.MaxUsers }),
		"max-api-calls":   bound(func(o *store.Organization) **int64 { return &o.MaxAPICalls }),
		"logo-url":        optional(func(o *store.Organization) **string { return &o.LogoURL }, webAddress),
		"primary-color":   optional(func(o *store.Organization) **string { return &o.PrimaryColor }, form(colourForm, "a colour as #0066CC")),
		"secondary-color": optional(func(o *store.Organization) **string { return &o.SecondaryColor }, form(colourForm, "a colour as #0066CC")),
		"lease-time":      seconds(func(o *store.Organization) *int64 { return &o.LeaseTime }),
		"lease-grace":     seconds(func(o *store.Organization) *int64 { return &o.LeaseGrace }),
	}
}

func wholeNumber(v string, most int64) (int64, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("must be a whole number from 0 to %d", most)
	}
	return n, nil
}

func webAddress(v string) error {
	if u, err := url.Parse(v); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("must be a web address")
	}
	return nil
}

func timeZone(v string) error {
	if _, err := time.LoadLocation(v); err != nil {
		return errors.New("must be a time zone as Europe/Vienna")
	}
	return nil
}

func subscriptionEnds(o *store.Organization, v string) error {
	if o.SubscriptionEnds = nil; v == "" {
		return nil
	}
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		return errors.New("must be a day as 2027-12-31")
	}
	o.SubscriptionEnds = &t
	return nil
}
