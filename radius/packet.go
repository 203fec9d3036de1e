package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

// Secret is what a client and a server share. It does not show itself in logs.
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// RadSecSecret is the secret of every client over TLS (RFC 6614 §2.3).
const RadSecSecret Secret = "radsec"

const (
	headerLen        = 20
	authenticatorLen = md5.Size
)

// Why a packet is dropped.
var (
	errMalformed     = errors.New("not a RADIUS packet")
	errAuthenticator = errors.New("not signed with this client's secret")
	errUnsigned      = errors.New("without a Message-Authenticator")
)

// ReadPacket reads one packet from a stream (RFC 6613 §2.6). An error means that the stream cannot be read on.
func ReadPacket(r io.Reader) ([]byte, error) {
	packet := make([]byte, headerLen, 256)
	if _, err := io.ReadFull(r, packet); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(packet[2:4]))
	if length < headerLen || length > radius.MaxPacketLength {
		return nil, fmt.Errorf("%w: its length is %d", errMalformed, length)
	}
	packet = append(packet, make([]byte, length-headerLen)...)
	if _, err := io.ReadFull(r, packet[headerLen:]); err != nil {
		return nil, err
	}
	return packet, nil
}

// parse reads a datagram and cuts off what is beyond the packet in it (RFC 2865 §3).
func parse(datagram []byte) (*radius.Packet, []byte, error) {
	p, err := radius.Parse(datagram, nil)
	if err != nil {
		return nil, nil, errMalformed
	}
	return p, datagram[:binary.BigEndian.Uint16(datagram[2:4])], nil
}

// verify checks that a request is signed with secret, by its authenticator and by the Message-Authenticator where there is
// one. A Status-Server says nothing else of its sender, so it must have one (RFC 5997 §3).
func verify(p *radius.Packet, packet []byte, secret Secret) error {
	if secret == "" || !radius.IsAuthenticRequest(packet, []byte(secret)) {
		return errAuthenticator
	}
	_, signed := p.Lookup(rfc2869.MessageAuthenticator_Type)
	if !signed {
		if p.Code == radius.CodeStatusServer {
			return errUnsigned
		}
		return nil
	}
	header := p.Authenticator
	if p.Code != radius.CodeStatusServer && p.Code != radius.CodeAccessRequest {
		header = [authenticatorLen]byte{} // it is made from the Message-Authenticator, so it is not yet there
	}
	return verifySum(packet, header, secret)
}

// verifySum checks the Message-Authenticator of a packet, made with this authenticator in its header (RFC 3579 §3.2).
func verifySum(packet []byte, header [authenticatorLen]byte, secret Secret) error {
	at := 0
	for i := headerLen; i < len(packet); i += int(packet[i+1]) {
		if packet[i] != byte(rfc2869.MessageAuthenticator_Type) {
			continue
		}
		if at != 0 || int(packet[i+1]) != 2+authenticatorLen {
			return errAuthenticator
		}
		at = i + 2
	}
	if at == 0 {
		return errUnsigned
	}
	if subtle.ConstantTimeCompare(messageAuthenticator(packet, at, header, secret), packet[at:at+authenticatorLen]) != 1 {
		return errAuthenticator
	}
	return nil
}

// messageAuthenticator is the value that belongs at this place of the packet.
func messageAuthenticator(packet []byte, at int, header [authenticatorLen]byte, secret Secret) []byte {
	var zero [authenticatorLen]byte
	h := hmac.New(md5.New, []byte(secret))
	h.Write(packet[:4])
	h.Write(header[:])
	h.Write(packet[headerLen:at])
	h.Write(zero[:])
	h.Write(packet[at+authenticatorLen:])
	return h.Sum(nil)
}

// sign gives a packet a Message-Authenticator, as its first attribute. header is the authenticator that it is made with.
func sign(p *radius.Packet, header [authenticatorLen]byte, secret Secret) error {
	p.Del(rfc2869.MessageAuthenticator_Type)
	first := &radius.AVP{Type: rfc2869.MessageAuthenticator_Type, Attribute: make(radius.Attribute, authenticatorLen)}
	p.Attributes = append(radius.Attributes{first}, p.Attributes...)
	packet, err := p.MarshalBinary()
	if err != nil {
		return err
	}
	copy(first.Attribute, messageAuthenticator(packet, headerLen+2, header, secret))
	return nil
}

// response is the answer to a request, with its Proxy-State attributes in their order (RFC 2865 §5.33).
func response(p *radius.Packet, code radius.Code, secret Secret, with ...*radius.AVP) ([]byte, error) {
	r := p.Response(code)
	r.Secret = []byte(secret)
	r.Attributes = with
	for _, a := range p.Attributes {
		if a.Type == rfc2865.ProxyState_Type {
			r.Attributes = append(r.Attributes, a)
		}
	}
	if p.Code == radius.CodeStatusServer {
		if err := sign(r, p.Authenticator, secret); err != nil {
			return nil, err
		}
	}
	return r.Encode()
}

// VerifyResponse checks that a packet answers the request, which was sent with this secret.
func VerifyResponse(answer, request []byte, secret Secret) error {
	p, answer, err := parse(answer)
	switch {
	case err != nil || len(request) < headerLen:
		return errMalformed
	case answer[1] != request[1] || !radius.IsAuthenticResponse(answer, request, []byte(secret)):
		return errAuthenticator
	}
	if _, signed := p.Lookup(rfc2869.MessageAuthenticator_Type); !signed {
		return nil
	}
	return verifySum(answer, [authenticatorLen]byte(request[4:headerLen]), secret)
}
