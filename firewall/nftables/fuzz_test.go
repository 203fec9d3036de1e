package nftables

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

// answers are bodies of the kernel's answers, as this package writes what it asks.
func answers() (bodies [][]byte) {
	mac := sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}
	g := grant{id: 7, station: sessions.Station{Zone: "guest", MAC: mac}, session: "0123456789abcdef-00000001"}
	for _, e := range []element{
		{key: markKey(0x42), comment: g.comment()},
		{key: macKey(mac), isMap: true, mark: 0x42, timeout: time.Hour},
		{key: markKey(0x42), chain: idleChain(time.Minute)},
	} {
		var m messages
		list := m.begin(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		m.element(e)
		at := m.begin(unix.NFTA_LIST_ELEM)
		m.value(unix.NFTA_SET_ELEM_KEY, e.key.bytes[:e.key.length])
		m.u64(unix.NFTA_SET_ELEM_EXPIRATION, 1500)
		several := m.begin(elementExpressions)
		counter := m.begin(unix.NFTA_LIST_ELEM)
		m.text(unix.NFTA_EXPR_NAME, "counter")
		data := m.begin(unix.NFTA_EXPR_DATA)
		m.u64(unix.NFTA_COUNTER_BYTES, 1<<40)
		m.u64(unix.NFTA_COUNTER_PACKETS, 1<<30)
		m.end(data)
		m.end(counter)
		m.end(several)
		m.end(at)
		m.end(list)
		bodies = append(bodies, m.buf)
	}
	return bodies
}

// FuzzElements reads what the kernel might answer. What was read and is written again reads as the same.
func FuzzElements(f *testing.F) {
	for _, body := range answers() {
		f.Add(body)
		f.Add(body[:len(body)-3])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = listed(body, func(e *element) {
			_ = e.key.addr()
			_ = idleOfChain(e.chain)
			if _, _, b, ok := capOfObject(e.object); ok && (b < 0 || b >= bounds) {
				t.Errorf("quota %q has bound %d", e.object, b)
			}
			if g, ok := fromComment(e.key.id(), e.comment); ok {
				if again, ok := fromComment(g.id, g.comment()); !ok || again.station != g.station || again.session != g.session {
					t.Errorf("%q is read as the grant of %v, session %q, and back as %+v", e.comment, g.station, g.session, again)
				}
			}
			if len(e.comment) > 200 || len(e.chain) > 1000 || strings.ContainsRune(e.comment+e.chain, 0) || e.key.length == 0 {
				return // nothing that we write
			}
			if e.timeout < 0 || e.timeout > 0 && e.timeout < time.Millisecond || e.isMap && e.chain != "" {
				return
			}
			want := *e
			want.left, want.octets, want.packets = 0, 0, 0
			var m messages
			list := m.begin(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
			m.element(want)
			m.end(list)
			n := 0
			if err := listed(m.buf, func(got *element) {
				n++
				if diff := cmp.Diff(want, *got, cmp.AllowUnexported(element{}, key{})); diff != "" {
					t.Errorf("written and read again (-want +got):\n%s", diff)
				}
			}); err != nil || n != 1 {
				t.Errorf("%d elements read again: %v", n, err)
			}
		})
	})
}

// FuzzChanges reads what netlink might tell of changes.
func FuzzChanges(f *testing.F) {
	for _, kind := range []uint16{unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELRULE, unix.NFT_MSG_NEWOBJ} {
		for _, table := range []string{tableName, "other"} {
			var m messages
			m.add(unix.NFNL_SUBSYS_NFTABLES<<8|kind, 0, unix.NFPROTO_INET, 0)
			m.text(unix.NFTA_TABLE_NAME, table)
			m.number(1)
			f.Add(m.buf)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		changes, err := syscall.ParseNetlinkMessage(b)
		if err != nil {
			return
		}
		for _, m := range changes {
			whole := len(m.Data) > nfgenmsgSize && attributes(m.Data[nfgenmsgSize:], func(uint16, []byte) error { return nil }) == nil
			if (deletesOurs(m) || depletes(m)) && whole && !bytes.Contains(m.Data, []byte(tableName)) {
				t.Errorf("a message that does not name the table is about it: %x", m.Data)
			}
		}
	})
}

// FuzzConnections reads what conntrack might list. A deletion names the connection as it was listed.
func FuzzConnections(f *testing.F) {
	for _, family := range []uint16{ctaIPv4Src, ctaIPv6Src} {
		var m messages
		orig := m.begin(ctaTupleOrig)
		ip := m.begin(ctaTupleIP)
		m.bytes(family, make([]byte, 16))
		m.end(ip)
		m.end(orig)
		m.u32(ctaMark, id(7).mark())
		m.u32(ctaID, 99)
		f.Add(m.buf)
		f.Add(m.buf[:len(m.buf)-5])
	}
	f.Fuzz(func(t *testing.T, flow []byte) {
		var m messages
		if err := m.deletionOf(flow, map[id]bool{7: true}); err != nil && len(m.starts) > 0 {
			t.Errorf("a broken entry is deleted: %v", err)
		}
		if len(m.starts) > 1 || len(m.buf) > len(flow)+100 {
			t.Errorf("%d deletions of %d octets for one entry of %d", len(m.starts), len(m.buf), len(flow))
		}
	})
}

// FuzzListing reads what nft might list of other people's rules.
func FuzzListing(f *testing.F) {
	f.Add(`{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": "mwan", "handle": 1}},
		{"chain": {"family": "inet", "table": "mwan", "name": "pre", "type": "filter", "hook": "prerouting", "prio": -150}},
		{"rule": {"family": "inet", "table": "mwan", "chain": "pre", "handle": 4, "expr": [
			{"match": {"op": "==", "left": {"&": [{"ct": {"key": "mark"}}, 16128]}, "right": 512}},
			{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"^": [{"&": [{"meta": {"key": "mark"}}, 4294951167]}, 512]}}}]}}]}`)
	f.Add(`{"nftables": [{"rule": {"family": "inet", "table": "x", "chain": "y", "handle": 1, "expr": [
		{"vmap": {"key": {"meta": {"key": "mark"}}, "data": {"set": [[1, {"accept": null}], [{"range": [2, 9]}, {"drop": null}]]}}},
		{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"ct": {"key": "mark"}}}}, {"xt": {"type": "target", "name": "CONNMARK"}}, "mark"]}}]}`)
	f.Add(`{"nftables": [{"flowtable": {"family": "inet", "name": "ft", "table": "fw4", "handle": 8, "hook": "ingress", "prio": 0, "dev": ["eth0", "br-guest"]}}]}`)
	f.Add(`{"nftables": [{"rule": null}, {"rule": {"expr": [[[]]]}}, {"flowtable": {"dev": 3}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var all listing
		if json.Unmarshal([]byte(text), &all) != nil {
			return
		}
		if err := all.foreignMarks(); err != nil && (!errors.Is(err, ErrMarks) || !all.useMarks()) {
			t.Errorf("refused, though no rule uses a mark: %v", err)
		}
		if err := all.offload([]string{"br-guest"}); err != nil && (!errors.Is(err, ErrOffload) || !strings.Contains(text, "br-guest") && !strings.Contains(text, `\u`)) {
			t.Errorf("%v", err)
		}
	})
}
