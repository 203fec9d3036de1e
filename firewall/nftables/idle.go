package nftables

import (
	"encoding/binary"
	"maps"
	"time"

	"golang.org/x/sys/unix"
)

// idleState is what the kernel has for idle timeouts.
type idleState struct {
	chains  map[time.Duration]bool    // timeouts that have a chain
	classes [otherClass]time.Duration // by class; zero: free. Class 0 is not used
}

func (s idleState) clone() idleState {
	s.chains = maps.Clone(s.chains)
	return s
}

// classFor finds the class of an idle timeout, or makes one in the transaction. inUse tells whether some grant has a class.
func (s *idleState) classFor(t *transaction, d time.Duration, inUse func(class) bool) class {
	if d == 0 {
		return 0
	}
	free := class(0)
	for c := otherClass - 1; c > 0; c-- {
		if s.classes[c] == d {
			return c
		}
		if s.classes[c] == 0 || free == 0 && !inUse(c) {
			free = c
		}
	}
	if !s.chains[d] {
		t.idleChain(d)
		s.chains[d] = true
	}
	if free == 0 {
		return otherClass
	}
	s.free(t, free)
	s.classes[free] = d
	t.insert(setIdleChain, s.element(free))
	return free
}

// free takes the timeout away from a class, in the transaction.
func (s *idleState) free(t *transaction, c class) {
	if s.classes[c] != 0 {
		t.remove(setIdleChain, s.element(c))
		s.classes[c] = 0
	}
}

func (s *idleState) element(c class) element {
	return element{key: markKey(c.mark()), chain: idleChain(s.classes[c])}
}

// idleChain adds the chain that renews the idle timeout of whoever is sent through it.
func (t *transaction) idleChain(d time.Duration) {
	t.add(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, unix.NFPROTO_INET, 0)
	t.text(unix.NFTA_CHAIN_TABLE, tableName)
	t.text(unix.NFTA_CHAIN_NAME, idleChain(d))

	t.add(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, unix.NFPROTO_INET, 0)
	t.text(unix.NFTA_RULE_TABLE, tableName)
	t.text(unix.NFTA_RULE_CHAIN, idleChain(d))
	rule := t.begin(unix.NFTA_RULE_EXPRESSIONS)
	t.expression("meta", func() {
		t.u32(unix.NFTA_META_DREG, unix.NFT_REG_1)
		t.u32(unix.NFTA_META_KEY, unix.NFT_META_MARK)
	})
	t.expression("bitwise", func() {
		t.u32(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
		t.u32(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
		t.u32(unix.NFTA_BITWISE_LEN, 4)
		t.value(unix.NFTA_BITWISE_MASK, markBytes(idMask))
		t.value(unix.NFTA_BITWISE_XOR, markBytes(0))
	})
	t.expression("dynset", func() {
		t.text(unix.NFTA_DYNSET_SET_NAME, setIdle)
		t.u32(unix.NFTA_DYNSET_OP, unix.NFT_DYNSET_OP_UPDATE)
		t.u32(unix.NFTA_DYNSET_SREG_KEY, unix.NFT_REG_1)
		t.timeout(unix.NFTA_DYNSET_TIMEOUT, renewed(d))
	})
	t.expression("immediate", func() {
		t.u32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
		data := t.begin(unix.NFTA_IMMEDIATE_DATA)
		t.verdict(unix.NFTA_DATA_VERDICT, netfilterAccept, "")
		t.end(data)
	})
	t.end(rule)
}

const netfilterAccept = 1 // NF_ACCEPT

func markBytes(mark uint32) []byte { return binary.NativeEndian.AppendUint32(nil, mark) }

func (t *transaction) expression(name string, data func()) {
	at := t.begin(unix.NFTA_LIST_ELEM)
	t.text(unix.NFTA_EXPR_NAME, name)
	inner := t.begin(unix.NFTA_EXPR_DATA)
	data()
	t.end(inner)
	t.end(at)
}
