package nftables

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routingMarks finds a rule of policy routing (ip rule) that a mark of ours would meet by itself, or keep from being met.
func routingMarks() (conflict, err error) {
	for family, name := range map[int]string{unix.AF_INET: "IPv4", unix.AF_INET6: "IPv6"} {
		rules, err := netlink.RuleList(family)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) { // a kernel without any
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing routing rules: %w", err)
		}
		for i := range rules {
			if bits := marksOf(&rules[i]); bits != 0 {
				return fmt.Errorf("%w: ip rule with priority %d (%s), bits 0x%x (ours are 0x%x)",
					ErrMarks, rules[i].Priority, name, bits, uint32(Mask)), nil
			}
		}
	}
	return nil, nil
}

// marksOf are the bits of ours that decide whether a routing rule holds. None do where it asks for somebody else's bits
// too, as WireGuard's 0xca6c does.
func marksOf(r *netlink.Rule) uint32 {
	mask := uint32(0)
	if r.Mask != nil {
		mask = *r.Mask
	} else if r.Mark != 0 {
		mask = everyBit
	}
	if r.Mark&mask&^Mask != 0 {
		return 0
	}
	return mask & Mask
}

// hasLegacyMangle tells whether iptables-legacy has a mangle table, where marks are written that nft does not see. Asking it for
// its rules would load its modules.
func hasLegacyMangle() bool {
	for _, file := range []string{"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"} {
		tables, err := os.ReadFile(file) // none without the modules
		if err == nil && bytes.Contains(tables, []byte("mangle")) {
			return true
		}
	}
	return false
}
