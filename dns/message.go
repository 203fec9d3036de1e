package dns

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const headerSize = 12 // octets, RFC 1035 §4.1.1

// Types that dnsmessage has no name for.
const (
	typeIXFR dnsmessage.Type = 251
	typeAXFR dnsmessage.Type = 252
	typeDS   dnsmessage.Type = 43
	typeKey  dnsmessage.Type = 48
)

// parseQuery finds what a query asks. ok is false for what deserves no answer; a code other than success is the answer.
func parseQuery(msg []byte) (q dnsmessage.Question, code dnsmessage.RCode, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.Response {
		return q, 0, false
	}
	if h.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented, true
	}
	if binary.BigEndian.Uint16(msg[4:]) != 1 {
		return q, dnsmessage.RCodeFormatError, true
	}
	if q, err = p.Question(); err != nil {
		return q, dnsmessage.RCodeFormatError, true
	}
	if q.Type == typeAXFR || q.Type == typeIXFR {
		return q, dnsmessage.RCodeRefused, true
	}
	return q, dnsmessage.RCodeSuccess, true
}

// weight is what a query counts for: a phone has little use for types that carry a lot and locate nothing.
func weight(t dnsmessage.Type) int {
	switch t {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeHTTPS, dnsmessage.TypeSVCB, dnsmessage.TypeSRV, dnsmessage.TypePTR,
		dnsmessage.TypeNS, dnsmessage.TypeSOA, typeDS, typeKey:
		return 1
	}
	return 8
}

// failure is an answer without records.
func failure(query []byte, code dnsmessage.RCode) []byte {
	return empty(query, dnsmessage.Header{RCode: code})
}

// truncated makes the station ask again over TCP.
func truncated(query []byte) []byte { return empty(query, dnsmessage.Header{Truncated: true}) }

// ownTTL is how long, in seconds, a device remembers where the portal is: until after the login, but not in the next network.
const ownTTL = 300

// own is the answer to the portal's own name: the addresses of the family that was asked for.
func own(query []byte, q dnsmessage.Question, addrs []netip.Addr) []byte {
	var answers []dnsmessage.Resource
	for _, a := range addrs {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ownTTL}}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		answers = append(answers, r)
	}
	return reply(query, dnsmessage.Header{}, answers)
}

func empty(query []byte, h dnsmessage.Header) []byte { return reply(query, h, nil) }

// reply is a message of our own.
func reply(query []byte, h dnsmessage.Header, answers []dnsmessage.Resource) []byte {
	var p dnsmessage.Parser
	asked, err := p.Start(query)
	if err != nil {
		return nil
	}
	h.ID, h.OpCode, h.RecursionDesired = asked.ID, asked.OpCode, asked.RecursionDesired
	h.Response, h.RecursionAvailable = true, true
	m := dnsmessage.Message{Header: h, Answers: answers}
	if q, err := p.Question(); err == nil {
		m.Questions = []dnsmessage.Question{q}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// answers tells whether a message is the answer to a question asked with an id.
func answers(msg []byte, id uint16, q dnsmessage.Question) bool {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || !h.Response || h.ID != id {
		return false
	}
	got, err := p.Question()
	if err != nil { // a resolver that could not read the question does not repeat it
		return h.RCode != dnsmessage.RCodeSuccess
	}
	return got.Type == q.Type && got.Class == q.Class && strings.EqualFold(got.Name.String(), q.Name.String())
}

// addresses are all that an answer gives, also behind aliases, and how long each shall be open.
func addresses(reply []byte) map[netip.Addr]time.Duration {
	var p dnsmessage.Parser
	if h, err := p.Start(reply); err != nil || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return nil
	}
	ttls := map[netip.Addr]time.Duration{}
	for {
		h, err := p.AnswerHeader()
		if err != nil {
			return ttls
		}
		var addr netip.Addr
		switch {
		case h.Class == dnsmessage.ClassINET && h.Type == dnsmessage.TypeA:
			r, err := p.AResource()
			if err != nil {
				return ttls
			}
			addr = netip.AddrFrom4(r.A)
		case h.Class == dnsmessage.ClassINET && h.Type == dnsmessage.TypeAAAA:
			r, err := p.AAAAResource()
			if err != nil {
				return ttls
			}
			addr = netip.AddrFrom16(r.AAAA)
		default:
			if p.SkipAnswer() != nil {
				return ttls
			}
			continue
		}
		if addr.IsGlobalUnicast() && !addr.Is4In6() {
			ttls[addr] = min(longestTTL, max(shortestTTL, ttls[addr], time.Duration(h.TTL)*time.Second))
		}
	}
}
