package nftables

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// maxElementsSize is when a message of elements is full: the length of a netlink attribute has 16 bits, and the kernel
// takes the overflow in silence.
const maxElementsSize = 32 << 10

// Sizes and masks of linux/netlink.h and linux/netfilter/nfnetlink.h that x/sys does not have.
const (
	nfgenmsgSize      = 4
	attributeTypeMask = 0x3fff
)

// messages is a row of netlink messages under construction. Attributes go to the last message.
type messages struct {
	buf    []byte
	starts []int // of each message in buf
}

// add begins a message of subsystem and type (as in NFNL_SUBSYS_NFTABLES<<8 | NFT_MSG_NEWRULE). resource is nfgenmsg's res_id.
func (m *messages) add(kind uint16, flags uint16, family uint8, resource uint16) {
	m.closeMessage()
	m.starts = append(m.starts, len(m.buf))
	m.buf = append(m.buf, make([]byte, unix.NLMSG_HDRLEN)...)
	header := m.buf[len(m.buf)-unix.NLMSG_HDRLEN:]
	binary.NativeEndian.PutUint16(header[4:], kind)
	binary.NativeEndian.PutUint16(header[6:], unix.NLM_F_REQUEST|flags)
	m.buf = append(m.buf, family, unix.NFNETLINK_V0)
	m.buf = binary.BigEndian.AppendUint16(m.buf, resource)
}

func (m *messages) closeMessage() {
	if n := len(m.starts); n > 0 {
		start := m.starts[n-1]
		binary.NativeEndian.PutUint32(m.buf[start:], uint32(len(m.buf)-start))
	}
}

func (m *messages) orFlags(message int, flags uint16) {
	at := m.buf[m.starts[message]+6:]
	binary.NativeEndian.PutUint16(at, binary.NativeEndian.Uint16(at)|flags)
}

func (m *messages) number(first uint32) {
	m.closeMessage()
	for i, start := range m.starts {
		binary.NativeEndian.PutUint32(m.buf[start+8:], first+uint32(i))
	}
}

// begin opens a nested attribute; end closes it.
func (m *messages) begin(kind uint16) int {
	at := len(m.buf)
	m.header(0, kind|unix.NLA_F_NESTED)
	return at
}

func (m *messages) end(at int) {
	binary.NativeEndian.PutUint16(m.buf[at:], uint16(len(m.buf)-at))
}

func (m *messages) header(length int, kind uint16) {
	m.buf = binary.NativeEndian.AppendUint16(m.buf, uint16(unix.SizeofNlAttr+length))
	m.buf = binary.NativeEndian.AppendUint16(m.buf, kind)
}

func (m *messages) bytes(kind uint16, b []byte) {
	m.header(len(b), kind)
	m.buf = append(m.buf, b...)
	m.pad()
}

func (m *messages) text(kind uint16, s string) {
	m.header(len(s)+1, kind)
	m.buf = append(append(m.buf, s...), 0)
	m.pad()
}

func (m *messages) pad() {
	for len(m.buf)%unix.NLA_ALIGNTO != 0 {
		m.buf = append(m.buf, 0)
	}
}

func (m *messages) u8(kind uint16, v uint8) { m.bytes(kind, []byte{v}) }

func (m *messages) u16(kind uint16, v uint16) {
	m.bytes(kind, binary.BigEndian.AppendUint16(nil, v))
}

func (m *messages) u32(kind uint16, v uint32) {
	m.header(4, kind)
	m.buf = binary.BigEndian.AppendUint32(m.buf, v)
}

func (m *messages) u64(kind uint16, v uint64) {
	m.header(8, kind)
	m.buf = binary.BigEndian.AppendUint64(m.buf, v)
}

// value is a key or data element (struct nft_data).
func (m *messages) value(kind uint16, b []byte) {
	at := m.begin(kind)
	m.bytes(unix.NFTA_DATA_VALUE, b)
	m.end(at)
}

// timeout writes a duration in whole milliseconds, never as zero: zero would mean for ever.
func (m *messages) timeout(kind uint16, d time.Duration) {
	m.u64(kind, uint64(max(1, d.Milliseconds())))
}

var errTruncated = errors.New("netlink message is too short")

// attributes calls f with each attribute in b.
func attributes(b []byte, f func(kind uint16, b []byte) error) error {
	for len(b) >= unix.SizeofNlAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofNlAttr || length > len(b) {
			return errTruncated
		}
		kind := binary.NativeEndian.Uint16(b[2:]) & attributeTypeMask
		if err := f(kind, b[unix.SizeofNlAttr:length]); err != nil {
			return err
		}
		b = b[min(len(b), (length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
	}
	return nil
}

// text is an attribute's string without its zero byte.
func text(b []byte) string {
	if n := len(b); n > 0 && b[n-1] == 0 {
		b = b[:n-1]
	}
	return string(b)
}
