package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gatehouse/sessions"
)

// Isolation says which stations of a zone may reach one another.
type Isolation struct {
	On      bool // false: all
	Shared  []SharedDevice
	Casting bool // the stations of an account may
}

// SharedDevice is a device that all stations of a zone may reach.
type SharedDevice struct {
	MAC  sessions.MAC
	Port string // bridge port behind which it is; empty: any
}

// maxShared bounds the rules that a frame between stations passes.
const maxShared = 64

func parseIsolation(s *section) Isolation {
	i := Isolation{On: s.boolean("isolation", true), Shared: parseShared(s), Casting: s.boolean("casting", false)}
	for _, key := range []string{"shared_devices", "casting"} {
		if !i.On && (key == "casting" && i.Casting || key == "shared_devices" && len(i.Shared) > 0) {
			s.wrong(key, "is an exception from isolation, and the zone says isolation = false", "remove one of the two")
		}
	}
	return i
}

func parseShared(s *section) (shared []SharedDevice) {
	const key = "shared_devices"
	const mend = `write its MAC address, and after an @ the bridge port that it is on if it never moves, as in "02:00:5e:10:00:77" or "02:00:5e:10:00:77@lan4"`
	for _, text := range s.texts(key) {
		device, _, _ := strings.Cut(text, " ") // what follows is the operator's note
		address, port, hasPort := strings.Cut(device, "@")
		mac, err := sessions.ParseMAC(address)
		if _, ipErr := netip.ParseAddr(address); ipErr == nil {
			s.wrong(key, strconv.Quote(text)+" is an IP address, which every station can give itself", mend+`; "gatehouse stations" shows it beside the IP address`)
			continue
		}
		switch {
		case err != nil:
			s.wrong(key, strconv.Quote(text)+" is not a device", mend)
		case mac[0]&1 != 0 || mac == sessions.MAC{}:
			s.wrong(key, strconv.Quote(text)+" is no single device's address", mend)
		case hasPort && !interfaceName.MatchString(port):
			s.wrong(key, strconv.Quote(port)+" cannot be a port's name", `use the name that "bridge link" shows`)
		case slices.ContainsFunc(shared, func(d SharedDevice) bool { return d.MAC == mac }):
			s.wrong(key, strconv.Quote(text)+" is there twice", "remove one of the two")
		default:
			shared = append(shared, SharedDevice{MAC: mac, Port: port})
		}
	}
	if len(shared) > maxShared {
		s.wrong(key, "has more than "+strconv.Itoa(maxShared)+" devices", "put them into a network of their own")
	}
	return shared
}
