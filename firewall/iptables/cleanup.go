package iptables

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// CleanUp removes our chains, our sets and every connection that a station has. It needs no state and no configuration.
func (f *Firewall) CleanUp(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetState()
	if err := cleanUp(ctx, f.families, f.netfilter); err != nil {
		return err
	}
	return f.netfilter.deleteAllFlows()
}

// CleanUp is Firewall.CleanUp for who has no Firewall. It does nothing where nothing of ours is there, or no iptables.
func CleanUp(ctx context.Context) error {
	families, err := findPrograms("/usr/sbin") // there may be no PATH
	if errors.Is(err, ErrNoPrograms) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := openNetfilter()
	if err != nil {
		return err
	}
	defer n.close()
	there, err := families[0].list(ctx)
	if _, ours := there["filter"][chainForward]; err != nil || !ours {
		return err
	}
	return errors.Join(cleanUp(ctx, families, n), n.deleteAllFlows())
}

func cleanUp(ctx context.Context, families []*family, n netfilter) error {
	for _, family := range families {
		there, err := family.list(ctx)
		if err == nil {
			err = family.remove(there, func(string) bool { return false })
		}
		if err != nil {
			return err
		}
	}
	err := (&sets{base: &base{netfilter: n}}).tidy(ctx, nil)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) { // a kernel without ipset
		return nil
	}
	return err
}
