package radius

import (
	"cmp"
	"net/netip"
	"slices"
)

// Client is a NAS, or several behind one address, that may send.
type Client struct {
	ID           int64
	Organization int64
	Name         string
	Network      netip.Prefix // from where it sends over UDP; the zero value: it does not
	Secret       Secret       // over UDP
	Certificate  string       // a DNS name of its certificate over TLS; empty: it does not
	// NASIdentifier makes this the client of packets with this NAS-Identifier, and of packets that have none. Empty: of any.
	NASIdentifier string
	// SwapOctets, OwnClock and SessionIDOnly are for devices that count from the station's side, whose clock is wrong, and
	// that do not name user and port in the same way in all records of a session.
	SwapOctets, OwnClock, SessionIDOnly bool
}

// takes tells whether packets with this NAS-Identifier can be the client's.
func (c *Client) takes(nasIdentifier string) bool {
	return c.NASIdentifier == "" || nasIdentifier == "" || c.NASIdentifier == nasIdentifier
}

// Clients are all clients, to be looked up. It does not change.
type Clients struct {
	networks      []netip.Prefix // one of each family and length that clients have, the longest first
	byNetwork     map[netip.Prefix][]Client
	byCertificate map[string][]Client
}

// NewClients makes the table.
func NewClients(list []Client) *Clients {
	c := &Clients{byNetwork: make(map[netip.Prefix][]Client), byCertificate: make(map[string][]Client)}
	for _, one := range list {
		if one.Network.IsValid() {
			n := one.Network.Masked()
			if c.byNetwork[n] == nil {
				c.networks = append(c.networks, n)
			}
			c.byNetwork[n] = append(c.byNetwork[n], one)
		}
		if one.Certificate != "" {
			c.byCertificate[one.Certificate] = append(c.byCertificate[one.Certificate], one)
		}
	}
	slices.SortFunc(c.networks, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(b.Bits(), a.Bits()), cmp.Compare(b.Addr().BitLen(), a.Addr().BitLen()))
	})
	c.networks = slices.CompactFunc(c.networks, func(a, b netip.Prefix) bool {
		return a.Bits() == b.Bits() && a.Addr().BitLen() == b.Addr().BitLen()
	})
	return c
}

// at are the clients whose a packet with this NAS-Identifier from this address can be, the most narrow network first. Several
// organisations may share an address: the secret tells whose it is.
func (c *Clients) at(from netip.Addr, nasIdentifier string) []Client {
	from = from.Unmap().WithZone("")
	var list []Client
	for _, n := range c.networks {
		if n.Addr().BitLen() != from.BitLen() {
			continue
		}
		if p, err := from.Prefix(n.Bits()); err == nil {
			list = append(list, choose(c.byNetwork[p], nasIdentifier)...)
		}
	}
	return list
}

// certified is the client that a packet with this NAS-Identifier is from, by the names of a certificate.
func (c *Clients) certified(names []string, nasIdentifier string) []Client {
	for _, name := range names {
		if list := choose(c.byCertificate[name], nasIdentifier); len(list) > 0 {
			return list[:1]
		}
	}
	return nil
}

// knows tells whether one of the names of a certificate is a client's.
func (c *Clients) knows(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return len(c.byCertificate[n]) > 0 })
}

// choose are the clients that take packets with this NAS-Identifier; first those that take no other.
func choose(list []Client, nasIdentifier string) []Client {
	var own, any []Client
	for _, c := range list {
		switch {
		case !c.takes(nasIdentifier):
		case c.NASIdentifier == nasIdentifier:
			own = append(own, c)
		default:
			any = append(any, c)
		}
	}
	return append(own, any...)
}
