package main

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"gatehouse/certs"
)

// This file says where the portal is.

// keepCertificate sets up who keeps the portal's certificate, where the portal has a name.
func (g *gateway) keepCertificate(context.Context) error {
	c := &g.Config.Portal
	if c.Name == "" {
		return nil
	}
	var roots *x509.CertPool // nil: the machine's
	if c.CA != nil {
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM(c.CA) // config has seen that it holds certificates
	}
	g.certified = make(chan struct{}, 1)
	g.keeper = certs.New(certs.Config{
		Source: &certs.Files{Certificate: c.Certificate, Key: c.Key}, Name: c.Name, Roots: roots, LeaseTime: c.LeaseTime,
		Clock: g.clock, Logger: g.Logger, Changed: func() {
			select {
			case g.certified <- struct{}{}:
			default: // told already
			}
		},
	})
	return nil
}

// httpsPort is open on the gateway's zone interfaces; 0: none is.
func (g *gateway) httpsPort() uint16 {
	if g.Config.Portal.Name == "" {
		return 0
	}
	return g.Config.Portal.HTTPSPort
}

// authority is NAME or NAME:PORT in the portal's address.
func (g *gateway) authority() string {
	c := &g.Config.Portal
	if c.Name == "" || c.HTTPSPort == 443 {
		return c.Name
	}
	return net.JoinHostPort(c.Name, strconv.Itoa(int(c.HTTPSPort)))
}

// secure tells whether guests' devices accept the portal's certificate now.
func (g *gateway) secure() bool { return g.keeper != nil && g.keeper.State().Good }

// addressIn is an address of the gateway in the zone that a browser can be sent to; IPv4 where there is one.
func (g *gateway) addressIn(zone string) netip.Addr {
	addrs := g.addressesIn(zone)
	if i := slices.IndexFunc(addrs, netip.Addr.Is4); i >= 0 {
		return addrs[i]
	}
	if len(addrs) > 0 {
		return addrs[len(addrs)-1]
	}
	return netip.Addr{}
}

// addressesIn are the gateway's addresses in a zone as of now, without link-local ones.
func (g *gateway) addressesIn(zone string) (found []netip.Addr) {
	z, _ := g.zoneNamed(zone)
	for _, name := range z.Interfaces {
		f, err := net.InterfaceByName(name)
		if err != nil {
			continue
		}
		addrs, err := f.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
				found = append(found, p.Addr())
			}
		}
	}
	return found
}
