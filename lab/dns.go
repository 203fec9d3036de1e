package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// serveDNS answers every name of the world, over UDP and TCP.
func (l *Lab) serveDNS(addr string) error {
	if err := l.servePackets(addr, answerDNS); err != nil {
		return err
	}
	listener, err := l.WAN.Listen(l.ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listening on %s/tcp: %w", addr, err)
	}
	l.servers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.servers.Go(func() { serveDNSConn(conn) })
			l.servers.Go(func() { <-l.ctx.Done(); _ = conn.Close() })
		}
	})
	l.servers.Go(func() {
		<-l.ctx.Done()
		_ = listener.Close()
	})
	return nil
}

func serveDNSConn(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		var size uint16
		if binary.Read(conn, binary.BigEndian, &size) != nil {
			return
		}
		query := make([]byte, size)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := answerDNS(query)
		if reply == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// answerDNS answers A and AAAA of any name with addresses of the wan's web servers; names below "invalid" do not exist.
func answerDNS(query []byte) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil || header.Response {
		return nil
	}
	question, err := parser.Question()
	if err != nil {
		return nil
	}
	name := strings.ToLower(question.Name.String())
	header.Response, header.Authoritative, header.RecursionAvailable = true, true, true
	header.RCode = dnsmessage.RCodeSuccess
	if strings.HasSuffix(name, ".invalid.") {
		header.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, header)
	b.EnableCompression()
	err = errors.Join(b.StartQuestions(), b.Question(question), b.StartAnswers())
	if header.RCode == dnsmessage.RCodeSuccess {
		err = errors.Join(err, addAddress(&b, question, name))
	}
	reply, finishErr := b.Finish()
	if errors.Join(err, finishErr) != nil {
		return nil
	}
	return reply
}

func addAddress(b *dnsmessage.Builder, q dnsmessage.Question, name string) error {
	v4, v6 := WebAddr4, WebAddr6
	switch name = strings.TrimSuffix(name, "."); {
	case name == GardenName, strings.HasSuffix(name, "."+GardenName):
		v4, v6 = GardenAddr4, GardenAddr6
	case name == CentreName:
		v4, v6 = CentreAddr4, CentreAddr6
	}
	resource := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
	switch q.Type {
	case dnsmessage.TypeA:
		return b.AResource(resource, dnsmessage.AResource{A: netip.MustParseAddr(v4).As4()})
	case dnsmessage.TypeAAAA:
		return b.AAAAResource(resource, dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(v6).As16()})
	}
	return nil
}
