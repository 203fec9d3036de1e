package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central"
	"gatehouse/central/seal"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

const listPage = 500 // rows that a verb reads at once

func createPlan(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("plan create")
	org, name := f.String("org", "", ""), f.String("name", "", "")
	p := admin.Plan{TimeMode: admin.TimeRunning, Zones: []string{}}
	online, elapsed := f.Duration("time", 0, ""), f.Bool("elapsed", false, "")
	valid, until := f.Duration("valid", 0, ""), f.String("until", "", "")
	data, up, down := f.String("data", "", ""), f.String("rate-up", "", ""), f.String("rate-down", "", "")
	devices, idle := f.Int64("devices", 0, ""), f.Duration("idle", 0, "")
	price, zones := f.String("price", "", ""), f.String("zones", "", "")
	f.BoolVar(&p.Extendable, "extendable", false, "")
	if err := f.parse(args, "org", "name"); err != nil {
		return err
	}
	p.Name = *name
	if *elapsed {
		p.TimeMode = admin.TimeElapsed
	}
	if *elapsed && *online == 0 {
		return fmt.Errorf("%w: --elapsed wants --time", errUsage)
	}
	for _, d := range []struct {
		from time.Duration
		to   **int64
	}{{*online, &p.TimeSeconds}, {*valid, &p.ValidSeconds}, {*idle, &p.IdleTimeout}} {
		if d.from < 0 {
			return fmt.Errorf("%w: %s is below zero", errUsage, d.from)
		}
		if d.from > 0 {
			*d.to = new(int64(d.from / time.Second))
		}
	}
	if *devices > 0 {
		p.Devices = devices
	}
	if *price != "" {
		p.Price = price
	}
	if *zones != "" {
		p.Zones = strings.Split(*zones, ",")
	}
	if err := planAmounts(&p, *data, *up, *down); err != nil {
		return err
	}
	end, err := expiry(*until, time.Now())
	if err != nil {
		return fmt.Errorf("%w: --until: %w", errUsage, err)
	}
	if !end.IsZero() {
		p.ValidUntil = &end
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if p.Organization, err = organizationID(ctx, db, *org); err != nil {
		return err
	}
	made, err := db.CreatePlan(ctx, p)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		return fmt.Errorf("%s has a plan %s already", *org, *name)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, made.ID)
	return nil
}

// planAmounts reads data and rates as the gateway's configuration writes them.
func planAmounts(p *admin.Plan, data, up, down string) error {
	if data != "" {
		n, err := sessions.ParseBytes(data)
		if err != nil {
			return fmt.Errorf("%w: --data: %w", errUsage, err)
		}
		p.DataOctets = new(int64(n))
	}
	for name, r := range map[string]struct {
		from string
		to   **int64
	}{"rate-up": {up, &p.RateUp}, "rate-down": {down, &p.RateDown}} {
		if r.from == "" {
			continue
		}
		n, err := sessions.ParseBitRate(r.from)
		if err != nil {
			return fmt.Errorf("%w: --%s: %w", errUsage, name, err)
		}
		*r.to = new(int64(n))
	}
	return nil
}

func listPlans(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("plan list")
	org := f.String("org", "", "")
	if err := f.parse(args, "org"); err != nil {
		return err
	}
	db, scope, err := f.openOf(ctx, *org)
	if err != nil {
		return err
	}
	defer db.Close()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tTIME\tDATA\tVALID\tUNTIL\tPRICE")
	err = pages(func(p store.Page) (store.Position, bool, error) {
		list, more, err := db.Plans(ctx, scope, 0, p)
		var last store.Position
		for _, v := range list {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Name, span(v.TimeSeconds), number(v.DataOctets), span(v.ValidSeconds),
				moment(v.ValidUntil), text(v.Price))
			last = store.Position{At: v.Created.UnixMicro(), ID: v.ID}
		}
		return last, more, err
	})
	return errors.Join(err, w.Flush())
}

func createVouchers(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("voucher create")
	org, plan, note := f.String("org", "", ""), f.String("plan", "", ""), f.String("note", "", "")
	quantity, secretsKey := f.Int("quantity", 1, ""), f.String("secrets-key", "", "")
	if err := f.parse(args, "org", "plan"); err != nil {
		return err
	}
	if *quantity < 1 || *quantity > admin.MaxVoucherBatch {
		return fmt.Errorf("%w: --quantity is between 1 and %d", errUsage, admin.MaxVoucherBatch)
	}
	secrets, err := seal.Load(*secretsKey, os.Getenv(seal.Variable))
	if err != nil {
		return err
	}
	db, scope, err := f.openOf(ctx, *org)
	if err != nil {
		return err
	}
	defer db.Close()
	p, err := db.PlanNamed(ctx, scope, *plan)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s has no plan %s: make it with gatehouse-central plan create", *org, *plan)
	}
	if err != nil {
		return err
	}
	key, err := db.VoucherKey(ctx)
	if err != nil {
		return err
	}
	b := admin.VoucherBatch{Organization: scope.Own(), Plan: p.ID}
	if *note != "" {
		b.Note = note
	}
	codes, kept := central.NewVouchers(*quantity, key, secrets)
	if _, err := db.CreateVouchers(ctx, b, kept); err != nil {
		return err
	}
	for _, code := range codes {
		fmt.Fprintln(out, code)
	}
	return nil
}

func listVouchers(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("voucher list")
	org, state, batch := f.String("org", "", ""), f.String("state", "", ""), f.Int64("batch", 0, "")
	if err := f.parse(args, "org"); err != nil {
		return err
	}
	if *state != "" && !slices.Contains(sessions.VoucherStates(), *state) {
		return fmt.Errorf("%w: --state %s is none of %v", errUsage, *state, sessions.VoucherStates())
	}
	db, scope, err := f.openOf(ctx, *org)
	if err != nil {
		return err
	}
	defer db.Close()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tBATCH\tPLAN\tSTATE\tFIRST USED\tEXPIRES\tUSED TIME\tUSED DATA")
	filter := store.VoucherFilter{State: sessions.VoucherState(*state), Batch: *batch}
	err = pages(func(p store.Page) (store.Position, bool, error) {
		list, more, err := db.Vouchers(ctx, scope, filter, p)
		var last store.Position
		for _, v := range list {
			fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%d\n", v.ID, v.Batch, v.PlanName, v.State, moment(v.FirstUsed), moment(v.Expires),
				span(&v.UsedSeconds), v.UsedOctets)
			last = store.Position{At: v.Created.UnixMicro(), ID: v.ID}
		}
		return last, more, err
	})
	return errors.Join(err, w.Flush())
}

func revokeVouchers(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("voucher revoke")
	org, text, batch := f.String("org", "", ""), f.String("code", "", ""), f.Int64("batch", 0, "")
	if err := f.parse(args, "org"); err != nil {
		return err
	}
	if (*text == "") == (*batch == 0) {
		return fmt.Errorf("%w: --code or --batch says what to revoke", errUsage)
	}
	db, scope, err := f.openOf(ctx, *org)
	if err != nil {
		return err
	}
	defer db.Close()
	if *batch != 0 {
		n, err := db.RevokeBatch(ctx, scope, *batch)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s has no batch %d", *org, *batch)
		}
		if err == nil {
			fmt.Fprintln(out, n)
		}
		return err
	}
	v, err := voucherOf(ctx, db, scope, *text)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	_, err = db.ChangeVoucher(ctx, scope, v.ID, func(v *store.Voucher) error {
		if v.Revoked == nil {
			v.Revoked = &now
		}
		return nil
	})
	return err
}

func voucherOf(ctx context.Context, db *store.Store, scope store.Scope, text string) (store.Voucher, error) {
	code, err := sessions.ParseVoucherCode(text)
	if err != nil {
		return store.Voucher{}, err
	}
	key, err := db.VoucherKey(ctx)
	if err != nil {
		return store.Voucher{}, err
	}
	list, _, err := db.Vouchers(ctx, scope, store.VoucherFilter{Hash: new(code.Hash(key))}, store.Page{Limit: 1})
	if err == nil && len(list) == 0 {
		err = errors.New("the organisation has no voucher with this code")
	}
	if err != nil {
		return store.Voucher{}, err
	}
	return list[0], nil
}

func exportVouchers(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("voucher export")
	org, batch, format := f.String("org", "", ""), f.Int64("batch", 0, ""), f.String("format", "csv", "")
	link, to, secretsKey := f.String("link", "", ""), f.String("to", "", ""), f.String("secrets-key", "", "")
	if err := f.parse(args, "org"); err != nil {
		return err
	}
	if *batch == 0 || *format != "csv" && *format != "pdf" {
		return fmt.Errorf("%w: --batch says what to export, --format is csv or pdf", errUsage)
	}
	secrets, err := seal.Load(*secretsKey, os.Getenv(seal.Variable))
	if err != nil {
		return err
	}
	db, scope, err := f.openOf(ctx, *org)
	if err != nil {
		return err
	}
	defer db.Close()
	b, err := db.VoucherBatch(ctx, scope, *batch)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s has no batch %d", *org, *batch)
	}
	if err != nil {
		return err
	}
	list, err := db.BatchVouchers(ctx, scope, *batch)
	if err != nil {
		return err
	}
	x, err := central.NewExport(b, list, secrets)
	if err != nil {
		return err
	}
	content := x.CSV()
	if *format == "pdf" {
		if content, err = x.PDF(ctx, *link); err != nil {
			return err
		}
	}
	if *to != "" {
		return os.WriteFile(*to, content, 0o600) // codes open doors
	}
	_, err = out.Write(content)
	return err
}

// openOf opens the database, and finds the organisation of this short name in it.
func (f flags) openOf(ctx context.Context, org string) (*store.Store, store.Scope, error) {
	db, err := f.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, err := organizationID(ctx, db, org)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, store.Scope{id}, nil
}

// pages reads a list to its end; read returns the place of a page's last row, and whether there is more.
func pages(read func(p store.Page) (store.Position, bool, error)) error {
	p := store.Page{Limit: listPage}
	for {
		last, more, err := read(p)
		if err != nil || !more {
			return err
		}
		p.From = &last
	}
}

func span(seconds *int64) string {
	if seconds == nil {
		return "-"
	}
	return (time.Duration(*seconds) * time.Second).String()
}

func number(n *int64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
