package neigh

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// snapLength is how much of a frame is looked at: the largest that a guest network carries.
const snapLength = 1514

// filter lets ARP, DHCPv4, DHCPv6 and neighbour discovery through, so that what is merely forwarded costs a few
// instructions in the kernel. A frame of a VLAN belongs to the VLAN's own interface, and what we send ourselves tells of
// nobody.
func filter() ([]bpf.RawInstruction, error) {
	const (
		outgoing   = 4 // PACKET_OUTGOING
		etherType  = 12
		v4Protocol = 14 + 9
		v4Fragment = 14 + 6
		v6Next     = 14 + 6
		v6Payload  = 14 + 40
	)
	// Jumps count the instructions to skip; "no" is 28, "yes" 29.
	return bpf.Assemble([]bpf.Instruction{
		/* 0 */ bpf.LoadExtension{Num: bpf.ExtType},
		/* 1 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: outgoing, SkipTrue: 26},
		/* 2 */ bpf.LoadExtension{Num: bpf.ExtVLANTag},
		/* 3 */ bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x0fff, SkipTrue: 24},
		/* 4 */ bpf.LoadAbsolute{Off: etherType, Size: 2},
		/* 5 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 23},
		/* 6 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IP, SkipTrue: 12},
		/* 7 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IPV6, SkipFalse: 20},
		/* 8 */ bpf.LoadAbsolute{Off: v6Next, Size: 1},
		/* 9 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 5},
		/* 10 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipFalse: 17},
		/* 11 */ bpf.LoadAbsolute{Off: v6Payload + 2, Size: 2},
		/* 12 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: 546, SkipTrue: 16},
		/* 13 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: 547, SkipTrue: 15},
		/* 14 */ bpf.Jump{Skip: 13},
		/* 15 */ bpf.LoadAbsolute{Off: v6Payload, Size: 1},
		/* 16 */ bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 133, SkipTrue: 11},
		/* 17 */ bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 137, SkipTrue: 10},
		/* 18 */ bpf.Jump{Skip: 10},
		/* 19 */ bpf.LoadAbsolute{Off: v4Protocol, Size: 1},
		/* 20 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipFalse: 7},
		/* 21 */ bpf.LoadAbsolute{Off: v4Fragment, Size: 2},
		/* 22 */ bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 5},
		/* 23 */ bpf.LoadMemShift{Off: 14},
		/* 24 */ bpf.LoadIndirect{Off: 14 + 2, Size: 2},
		/* 25 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: 67, SkipTrue: 3},
		/* 26 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: 68, SkipTrue: 2},
		/* 27 */ bpf.Jump{Skip: 0},
		/* 28 */ bpf.RetConstant{Val: 0},
		/* 29 */ bpf.RetConstant{Val: snapLength},
	})
}
