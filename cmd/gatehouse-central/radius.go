package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"text/tabwriter"

	"gatehouse/central"
	"gatehouse/central/seal"
	"gatehouse/central/store"
	"gatehouse/radius"
)

// radiusFlags say where accounting of NASes comes in.
type radiusFlags struct{ udp, tls, cert, key, authorities *string }

func newRADIUSFlags(f flags) radiusFlags {
	return radiusFlags{udp: f.String("radius", "", ""), tls: f.String("radsec", "", ""), cert: f.String("radsec-cert", "", ""),
		key: f.String("radsec-key", "", ""), authorities: f.String("radsec-ca", "", "")}
}

// listen opens what the flags name.
func (r radiusFlags) listen(log *slog.Logger) (l central.RADIUSListeners, err error) {
	for _, file := range []*string{r.cert, r.key, r.authorities} {
		if (*r.tls == "") != (*file == "") {
			return l, fmt.Errorf("%w: --radsec, --radsec-cert, --radsec-key and --radsec-ca go together", errUsage)
		}
	}
	if *r.tls != "" {
		certificate, err := tls.LoadX509KeyPair(*r.cert, *r.key)
		if err != nil {
			return l, fmt.Errorf("reading --radsec-cert: %w", err)
		}
		authorities, err := os.ReadFile(*r.authorities)
		if err != nil {
			return l, fmt.Errorf("reading --radsec-ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(authorities) {
			return l, fmt.Errorf("reading --radsec-ca: there is no certificate in %s", *r.authorities)
		}
		l.TLSConfig = radius.TLSConfig(certificate, pool)
		if l.TLS, err = net.Listen("tcp", *r.tls); err != nil {
			return l, fmt.Errorf("listening for RadSec: %w", err)
		}
		log.Info("serving RadSec", "addr", l.TLS.Addr().String())
	}
	if *r.udp != "" {
		at, err := net.ResolveUDPAddr("udp", *r.udp)
		if err == nil {
			l.UDP, err = net.ListenUDP("udp", at)
		}
		if err != nil {
			return l, fmt.Errorf("listening for RADIUS: %w", err)
		}
		log.Info("serving RADIUS", "addr", l.UDP.LocalAddr().String())
	}
	return l, nil
}

func addRADIUSClient(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("radius-client add")
	org, name := f.String("org", "", ""), f.String("name", "", "")
	network, secretFile := f.String("network", "", ""), f.String("secret-file", "", "")
	secretsKey := f.String("secrets-key", "", "")
	certificate, nas, quirks := f.String("certificate", "", ""), f.String("nas-identifier", "", ""), f.String("quirks", "", "")
	if err := f.parse(args, "org", "name"); err != nil {
		return err
	}
	c := store.RADIUSClient{Name: *name, Network: *network, Certificate: *certificate, NASIdentifier: *nas, Quirks: words(*quirks)}
	secret, made, err := radiusSecret(*network, *secretFile)
	if err != nil {
		return err
	}
	key, err := seal.Load(*secretsKey, os.Getenv(seal.Variable))
	if err != nil {
		return err
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
	saved, err := db.SaveRADIUSClient(ctx, store.Scope{id}, 0, func(to *store.RADIUSClient) error {
		c.OrganizationID = to.OrganizationID
		if secret != "" {
			var err error
			if c.Secret, err = central.SealRADIUSSecret(key, c.OrganizationID, secret); err != nil {
				return err
			}
		}
		*to = c
		return nil
	})
	var taken *store.DuplicateError
	var wrong *store.ValueError
	switch {
	case errors.As(err, &taken):
		return fmt.Errorf("another client has this %s", taken.Field)
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: --%s: %s", errUsage, wrong.Field, wrong.Text)
	case err != nil:
		return err
	}
	fmt.Fprintln(out, saved.ID)
	if made {
		fmt.Fprintln(out, secret)
	}
	return nil
}

// radiusSecret reads the secret from a file, or from standard input when that is -. Without a file it makes one for a client that
// needs one.
func radiusSecret(network, file string) (secret string, made bool, err error) {
	var text []byte
	switch {
	case file == "" && network == "":
		return "", false, nil
	case file == "":
		return rand.Text(), true, nil
	case file == "-":
		text, err = io.ReadAll(io.LimitReader(os.Stdin, 4096))
	default:
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return "", false, fmt.Errorf("reading the secret: %w", err)
	}
	if secret = strings.TrimRight(string(text), "\r\n"); secret == "" {
		return "", false, fmt.Errorf("%w: there is no secret in --secret-file", errUsage)
	}
	return secret, false, nil
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func listRADIUSClients(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("radius-client list")
	org := f.String("org", "", "")
	if err := f.parse(args); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	var only int64
	if *org != "" {
		if only, err = organizationID(ctx, db, *org); err != nil {
			return err
		}
	}
	list, _, err := db.AllRADIUSClients(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tORG\tNETWORK\tCERTIFICATE\tNAS-IDENTIFIER\tQUIRKS\tNAME")
	for _, c := range list {
		if only == 0 || c.OrganizationID == only {
			fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.OrganizationID, dash(c.Network), dash(c.Certificate), dash(c.NASIdentifier),
				dash(strings.Join(c.Quirks, ",")), c.Name)
		}
	}
	return w.Flush()
}

func removeRADIUSClient(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("radius-client remove")
	org, id := f.String("org", "", ""), f.Int64("id", 0, "")
	if err := f.parse(args, "org"); err != nil {
		return err
	}
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	organization, err := organizationID(ctx, db, *org)
	if err != nil {
		return err
	}
	err = db.DeleteRADIUSClient(ctx, store.Scope{organization}, *id, func(store.RADIUSClient) error { return nil })
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s has no RADIUS client %d", *org, *id)
	}
	return err
}
