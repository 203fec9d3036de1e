package main

import (
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"time"

	"gatehouse/config"
	gwsync "gatehouse/sync"
)

func claimVerb() verb {
	return verb{
		name: "claim", short: "get this gateway a token of its own from its centre",
		detail: "Shows a code and waits until somebody has typed it at the centre. With --token it trades a claim token that was made\n" +
			"beforehand. The token is written to centre.token_file; a daemon that runs uses it with its next request.",
		bind: func(f *flag.FlagSet) action {
			path := bindConfig(f)
			token := f.String("token", "", "the claim `token`")
			return func(ctx context.Context, s streams, _ []string) error {
				c, err := parseConfig(*path)
				if err != nil {
					return err
				}
				if c.Centre == nil {
					return fmt.Errorf("%s names no centre: add [centre] with url and token_file", *path)
				}
				cfg := gwsync.Config{BaseURL: c.Centre.URL.String(), NASID: c.NASID, Version: versionName()}
				if c.Centre.CAFile != "" {
					pem, err := os.ReadFile(c.Centre.CAFile)
					if err != nil {
						return fmt.Errorf("reading centre.ca_file: %w", err)
					}
					if cfg.CAs = x509.NewCertPool(); !cfg.CAs.AppendCertsFromPEM(pem) {
						return fmt.Errorf("%s holds no certificate", c.Centre.CAFile)
					}
				}
				got, err := gwsync.Claim(ctx, cfg, *token, func(code string, good time.Duration) {
					fmt.Fprintf(s.out, "Claim %s at the centre with the code %s, good for %s. Waiting.\n", plain(c.NASID), code, hours(good))
				})
				if err != nil {
					return err
				}
				if err := replaceFile(c.Centre.TokenFile, []byte(got.Token+"\n")); err != nil {
					return fmt.Errorf("writing centre.token_file: %w", err)
				}
				fmt.Fprintf(s.out, "%s belongs to %s now; its token is in %s\n", plain(c.NASID), plain(got.Organization), c.Centre.TokenFile)
				return nil
			}
		},
	}
}

// parseConfig reads a configuration without the files that it names: there may be no token yet.
func parseConfig(path string) (*config.Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	c, err := config.Parse(f, host)
	if err != nil {
		return nil, fmt.Errorf("%s is wrong:\n%w", path, err)
	}
	return c, nil
}
