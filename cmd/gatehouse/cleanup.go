package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"

	"gatehouse/firewall/iptables"
	"gatehouse/firewall/isolate"
	"gatehouse/firewall/nftables"
	"gatehouse/firewall/shape"
)

func cleanupVerb() verb {
	return verb{
		name: "cleanup", short: "remove from the kernel all that gatehouse ever put there",
		detail: "Needs no daemon, no configuration and no state. Afterwards the zones follow the router's own firewall. A daemon\n" +
			"that still runs puts its tables back.",
		bind: func(*flag.FlagSet) action {
			return func(ctx context.Context, s streams, _ []string) error {
				if err := mayAdministerNetwork(); err != nil {
					return err
				}
				logger := slog.New(slog.DiscardHandler)
				fw, err := nftables.New(nftables.Config{Logger: logger})
				if err != nil {
					return fmt.Errorf("opening the firewall: %w", err)
				}
				defer fw.Close()
				shaper, err := shape.Around(fw, shape.Config{Logger: logger})
				if err != nil {
					return fmt.Errorf("opening the shaper: %w", err)
				}
				defer shaper.Close()
				all, err := isolate.Around(shaper, isolate.Config{Logger: logger})
				if err != nil {
					return fmt.Errorf("opening the isolation: %w", err)
				}
				defer all.Close()
				err = all.CleanUp(ctx)
				if errors.Is(err, unix.EOPNOTSUPP) { // a kernel without nftables has nothing of ours there
					err = nil
				}
				return errors.Join(err, iptables.CleanUp(ctx))
			}
		},
	}
}
