package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"gatehouse/lab/venue"
)

// wayZone offers the ways in that a gateway decides about by itself.
const wayZone = `
methods = ["click", "trial", "voucher", "room", "password"]
terms = "Be kind."
terms_version = "1"
allow_cleartext = true
[zone.trial]
time = "1h"
`

// benchWays tells how many guests a second log in by each way in, fifty at once, from the POST of the form to the first packet
// through. The first login with a password is bound by what a check of it is meant to cost (DESIGN D10): one at a time.
func benchWays(ctx context.Context, p programs, r *report) (err error) {
	const atOnce = 50
	v, err := venue.New(ctx, venue.Options{Gatehouse: p.gatehouse, Zone: wayZone})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	stations, err := v.AddStaticStations(ctx, atOnce)
	if err != nil {
		return err
	}
	all, err := phones(stations)
	defer closePhones(all)
	if err != nil {
		return err
	}
	guests := make([]guest, len(stations))
	for i, s := range stations {
		guests[i] = guest{v.GuestAt(s), all[i]}
	}
	codes, err := v.CLI(ctx, "", "voucher", "create", "--count", fmt.Sprint(atOnce), "--time", "2h", "--csv")
	if err != nil {
		return err
	}
	rows, err := csv.NewReader(strings.NewReader(codes)).ReadAll()
	if err != nil || len(rows) != atOnce+1 {
		return fmt.Errorf("%d rows of vouchers: %w", len(rows), err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	stays := "room,name,until\n"
	for i := range atOnce {
		stays += fmt.Sprintf("%d,Guest%d,2099-01-01\n", i, i)
	}
	if _, err := v.CLI(ctx, stays, "room", "import", "-"); err != nil {
		return err
	}
	if _, err := v.CLI(ctx, "secret\n", "account", "add", "--password-stdin", "ann"); err != nil {
		return err
	}
	for _, way := range []struct {
		method string
		typed  func(i int) url.Values
	}{
		{"click", func(int) url.Values { return url.Values{"accept": {"1"}} }},
		{"trial", func(int) url.Values { return url.Values{"accept": {"1"}} }},
		{"voucher", func(i int) url.Values { return url.Values{"code": {rows[i+1][column["code"]]}} }},
		{"room", func(i int) url.Values { return url.Values{"room": {fmt.Sprint(i)}, "name": {fmt.Sprint("Guest", i)}} }},
		{"password", func(int) url.Values { return url.Values{"username": {"ann"}, "password": {"secret"}} }},
	} {
		took, wall, err := loginAtOnce(ctx, guests, way.method, way.typed)
		if err != nil {
			return fmt.Errorf("%s: %w", way.method, err)
		}
		p99, pass := quantile(took, 0.99), true
		budget := "all succeed"
		if way.method != "password" {
			budget, pass = "all succeed, p99 ≤ 100 ms", p99 <= 100*time.Millisecond
		}
		r.print(figure{fmt.Sprintf("login by %s, %d at once", way.method, atOnce),
			fmt.Sprintf("p50 %s p99 %s, %.0f/s", ms(quantile(took, 0.5)), ms(p99), atOnce/wall.Seconds()), budget, pass})
		if _, err := v.CLI(ctx, "", "logout", "--all"); err != nil {
			return err
		}
	}
	return nil
}
