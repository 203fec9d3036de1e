package nftables

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

// Names of the table and its sets. A set of stations exists per zone: stations_ and the zone's name.
const (
	tableName      = "gatehouse"
	setSessions    = "sess"       // ids that are admitted; the timeout is the session's
	setIdle        = "idle"       // ids that spoke within their idle timeout
	setIdleChain   = "idle_chain" // class : the chain that renews an id's element in idle
	setIdleClass   = "idle_class" // id : the same, for ids of otherClass
	setUp          = "up"         // counters by id, what the station sent; the comment says whose they are
	setDown        = "down"       // counters by id, what it was sent
	setLeasable    = "leasable"   // ids that may get leases; those whose session is nearly over are gone from it
	setFresh       = "fresh"      // leases of the way down, by id
	stationsPrefix = "stations_"
	knownPrefix    = "known_" // and a zone's name: leases of the way up, a MAC and its mark as in the zone's stations
)

// NFTA_SET_ELEM_EXPRESSIONS, of elements with several expressions (linux/netfilter/nf_tables.h); x/sys has no name for it.
const elementExpressions = 0x11

// userdataComment is libnftables' type of an element's comment (NFTNL_UDATA_SET_ELEM_COMMENT).
const userdataComment = 0

// element is one element of a set or map, as it is written and read. Small: thousands of them are read at a time.
type element struct {
	key     key
	isMap   bool          // mark is its data
	mark    uint32        // of a map to marks
	chain   string        // of a verdict map: where to go
	object  string        // of a map to quotas: its name
	timeout time.Duration // zero: for ever
	left    time.Duration // read only
	comment string
	octets  uint64 // read only
	packets uint64 // read only
}

// key is a mark, as nftables keeps it: four bytes in the processor's order; or a MAC; or an IP address; or a mark and more.
type key struct {
	bytes  [20]byte
	length int8
}

func markKey(mark uint32) (k key) {
	binary.NativeEndian.PutUint32(k.bytes[:], mark)
	k.length = 4
	return k
}

func macKey(m sessions.MAC) (k key) {
	k.length = int8(copy(k.bytes[:], m[:]))
	return k
}

func addrKey(a netip.Addr) (k key) {
	k.length = int8(copy(k.bytes[:], a.AsSlice()))
	return k
}

// with is the key and another part behind it, in a set of both.
func (k key) with(part []byte) key {
	copy(k.bytes[k.length:], part)
	k.length += int8(len(part)+3) &^ 3
	return k
}

// mark is the key in a set of marks.
func (k key) mark() uint32 { return binary.NativeEndian.Uint32(k.bytes[:]) }

// id is the station id in the key of a set of marks.
func (k key) id() id { return idOf(k.mark()) }

// addr is the key in a set of addresses.
func (k key) addr() netip.Addr {
	a, _ := netip.AddrFromSlice(k.bytes[:k.length])
	return a
}

// transaction collects changes of our table that become true together.
type transaction struct{ messages }

const (
	newElement    = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM
	deleteElement = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELSETELEM
	getElement    = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM
)

// insert adds elements; one that exists with the same data is left as it is.
func (t *transaction) insert(set string, elements ...element) {
	t.elements(newElement, unix.NLM_F_CREATE, set, elements)
}

// remove takes elements away, whether they are there or not: deleting what has expired would undo the transaction, so
// each is added first. data must be what the kernel has.
func (t *transaction) remove(set string, elements ...element) {
	t.elements(newElement, unix.NLM_F_CREATE, set, elements)
	t.elements(deleteElement, 0, set, elements)
}

func (t *transaction) elements(kind, flags uint16, set string, elements []element) {
	for len(elements) > 0 {
		t.add(kind, flags, unix.NFPROTO_INET, 0)
		t.text(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
		t.text(unix.NFTA_SET_ELEM_LIST_SET, set)
		list := t.begin(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		for len(elements) > 0 && len(t.buf)-list < maxElementsSize {
			t.element(elements[0])
			elements = elements[1:]
		}
		t.end(list)
	}
}

func (m *messages) element(e element) {
	at := m.begin(unix.NFTA_LIST_ELEM)
	m.value(unix.NFTA_SET_ELEM_KEY, e.key.bytes[:e.key.length])
	switch {
	case e.chain != "":
		data := m.begin(unix.NFTA_SET_ELEM_DATA)
		m.verdict(unix.NFTA_DATA_VERDICT, unix.NFT_GOTO, e.chain)
		m.end(data)
	case e.object != "":
		m.text(unix.NFTA_SET_ELEM_OBJREF, e.object)
	case e.isMap:
		m.value(unix.NFTA_SET_ELEM_DATA, binary.NativeEndian.AppendUint32(nil, e.mark))
	}
	if e.timeout > 0 {
		m.timeout(unix.NFTA_SET_ELEM_TIMEOUT, e.timeout)
	}
	if e.comment != "" {
		m.bytes(unix.NFTA_SET_ELEM_USERDATA, append([]byte{userdataComment, byte(len(e.comment) + 1)}, e.comment+"\x00"...))
	}
	m.end(at)
}

func (m *messages) verdict(kind uint16, code int32, chain string) {
	at := m.begin(kind)
	m.u32(unix.NFTA_VERDICT_CODE, uint32(code))
	if chain != "" {
		m.text(unix.NFTA_VERDICT_CHAIN, chain)
	}
	m.end(at)
}

// readSet appends every element of a set to space, which may be nil, in no order.
func (s *socket) readSet(set string, space []element) (elements []element, err error) {
	var m messages
	m.add(getElement, 0, unix.NFPROTO_INET, 0)
	m.text(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	m.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	elements = space
	err = s.dump(&m, func() { elements = space }, func(body []byte) error {
		return listed(body, func(e *element) { elements = append(elements, *e) })
	})
	if err != nil {
		return nil, fmt.Errorf("reading set %s: %w", set, err)
	}
	return elements, nil
}

// readElement reads one element of a set; ok is false when it is not there.
func (s *socket) readElement(set string, k key) (found element, ok bool, err error) {
	var m messages
	m.add(getElement, 0, unix.NFPROTO_INET, 0)
	m.text(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	m.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	list := m.begin(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
	m.element(element{key: k})
	m.end(list)
	err = s.get(&m, func(body []byte) error {
		return listed(body, func(e *element) { found, ok = *e, true })
	})
	if isMissing(err) {
		return element{}, false, nil
	}
	if err != nil {
		return element{}, false, fmt.Errorf("reading an element of %s: %w", set, err)
	}
	return found, ok, nil
}

// listed calls f with each element of an answer.
func listed(body []byte, f func(*element)) error {
	var e element
	return attributes(body, func(kind uint16, b []byte) error {
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			return nil
		}
		return attributes(b, func(_ uint16, b []byte) error {
			e = element{}
			if err := attributes(b, e.attribute); err != nil {
				return err
			}
			f(&e)
			return nil
		})
	})
}

func (e *element) attribute(kind uint16, b []byte) error {
	switch kind {
	case unix.NFTA_SET_ELEM_KEY:
		return attributes(b, e.keyAttribute)
	case unix.NFTA_SET_ELEM_DATA:
		return attributes(b, e.dataAttribute)
	case unix.NFTA_SET_ELEM_OBJREF:
		e.object = text(b)
	case unix.NFTA_SET_ELEM_TIMEOUT:
		return milliseconds(b, &e.timeout)
	case unix.NFTA_SET_ELEM_EXPIRATION:
		return milliseconds(b, &e.left)
	case unix.NFTA_SET_ELEM_USERDATA:
		if len(b) >= 2 && b[0] == userdataComment && int(b[1]) <= len(b)-2 {
			e.comment = text(b[2 : 2+int(b[1])])
		}
	case unix.NFTA_SET_ELEM_EXPR:
		return attributes(b, e.expression)
	case elementExpressions:
		return attributes(b, func(_ uint16, b []byte) error { return attributes(b, e.expression) })
	}
	return nil
}

func (e *element) keyAttribute(kind uint16, b []byte) error {
	if kind == unix.NFTA_DATA_VALUE {
		e.key.length = int8(copy(e.key.bytes[:], b))
	}
	return nil
}

func (e *element) dataAttribute(kind uint16, b []byte) error {
	switch kind {
	case unix.NFTA_DATA_VALUE:
		if len(b) == 4 {
			e.isMap, e.mark = true, binary.NativeEndian.Uint32(b)
		}
	case unix.NFTA_DATA_VERDICT:
		return attributes(b, func(kind uint16, b []byte) error {
			if kind == unix.NFTA_VERDICT_CHAIN {
				e.chain = text(b)
			}
			return nil
		})
	}
	return nil
}

// expression reads a counter; nothing else stands in our sets.
func (e *element) expression(kind uint16, b []byte) error {
	if kind != unix.NFTA_EXPR_DATA {
		return nil
	}
	return attributes(b, func(kind uint16, b []byte) error {
		switch {
		case len(b) != 8:
		case kind == unix.NFTA_COUNTER_BYTES:
			e.octets = binary.BigEndian.Uint64(b)
		case kind == unix.NFTA_COUNTER_PACKETS:
			e.packets = binary.BigEndian.Uint64(b)
		}
		return nil
	})
}

func milliseconds(b []byte, to *time.Duration) error {
	if len(b) != 8 {
		return errTruncated
	}
	*to = time.Duration(min(binary.BigEndian.Uint64(b), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
	return nil
}
