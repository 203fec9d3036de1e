package main

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"gatehouse/admin"
	"gatehouse/certs"
)

// This file says where the portal is.

// keepCertificate sets up who keeps the portal's certificate, where the portal has a name.
func (g *gateway) keepCertificate(context.Context) error {
	c := &g.Config.Portal
	if !c.HTTPS() {
		return nil
	}
	var roots *x509.CertPool // nil: the machine's
	if c.CA != nil {
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM(c.CA) // config has seen that it holds certificates
	}
	g.certified = make(chan struct{}, 1)
	tell := func() {
		select {
		case g.certified <- struct{}{}:
		default: // told already
		}
	}
	var source certs.Source = &certs.Files{Certificate: c.Certificate, Key: c.Key}
	if c.FromCentre {
		g.ordered = certs.NewCentre(certs.CentreConfig{Dir: g.Config.StateDir, Ask: g.askCertificate, Clock: g.clock, Logger: g.Logger,
			Changed: func() {
				if g.keeper.Look() {
					tell()
				}
			}})
		source = g.ordered
	}
	g.keeper = certs.New(certs.Config{
		Source: source, Name: c.Name, Roots: roots, LeaseTime: c.LeaseTime,
		Clock: g.clock, Logger: g.Logger, Changed: tell,
	})
	return nil
}

// askCertificate asks the centre about the portal's certificate.
func (g *gateway) askCertificate(ctx context.Context, csr []byte) (certs.Answer, error) {
	a, err := g.sync.Certificate(ctx, csr)
	return certs.Answer{Name: a.Name, Chain: a.Certificate, Wait: time.Duration(a.RetryAfter) * time.Second, Problem: a.Problem}, err
}

// httpsPort is open on the gateway's zone interfaces; 0: none is.
func (g *gateway) httpsPort() uint16 {
	if !g.Config.Portal.HTTPS() {
		return 0
	}
	return g.Config.Portal.HTTPSPort
}

// portalName is the portal's DNS name as of now; empty: there is none.
func (g *gateway) portalName() string {
	if g.keeper == nil {
		return ""
	}
	return g.keeper.Name()
}

// authority is NAME or NAME:PORT in the portal's address.
func (g *gateway) authority() string {
	name, port := g.portalName(), g.Config.Portal.HTTPSPort
	if name == "" || port == 443 {
		return name
	}
	return net.JoinHostPort(name, strconv.Itoa(int(port)))
}

// secure tells whether guests' devices accept the portal's certificate now.
func (g *gateway) secure() bool { return g.keeper != nil && g.keeper.State().Good }

// portalStatus is where guests find the portal now.
func (g *gateway) portalStatus() admin.Portal {
	if g.keeper == nil {
		return admin.Portal{Why: "portal.name is not set"}
	}
	s := g.keeper.State()
	p := admin.Portal{Until: s.NotAfter, Announced: g.announced.Load(), Why: s.Wrong}
	if s.Good {
		p.URL = "https://" + g.authority() + "/"
	}
	return p
}

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
