package sessions

import (
	"slices"
	"time"
)

// Zone is one guest network: what it offers, what its sessions may, and where it is (DESIGN D5).
type Zone struct {
	Name           string
	Methods        []Method // ways in, in the order the page shows them
	TermsVersion   string   // of what guests accept
	TermsForAll    bool     // by whatever way they come, not by click-through alone
	Hours          Hours
	Remember       time.Duration // how long guests may have their devices remembered; zero: not at all
	AddDevices     bool          // guests may let in devices of theirs from another
	Trial          *Trial        // of MethodTrial
	AllowCleartext bool          // passwords over plain HTTP (DESIGN D18)
	Proofs         Proofs
	Limits         Limits
	Bounds         Bounds
	Place          Place
	AccessPoints   []AccessPoint
	Access         []AccessRule // of the configuration; Zone and By need not be set
	Spoofing       Spoofing
	Prolong        Prolonging    // zero: guests cannot extend their sessions
	MaxPause       time.Duration // what is left of a paused session is kept so long; zero: no pause
}

// Offers tells whether the zone has this way in.
func (z *Zone) Offers(m Method) bool { return slices.Contains(z.Methods, m) }

// AccessPoint maps a bridge port to GATE's ids.
type AccessPoint struct {
	Port string // bridge port of the gateway, as in wlan0
	ID   int64  // GATE access point id
	Name string
	MAC  string
	SSID string
}

// At is the zone's place as seen through one bridge port; port may be empty.
func (z *Zone) At(port string) Place {
	p := z.Place
	i := slices.IndexFunc(z.AccessPoints, func(a AccessPoint) bool { return a.Port == port })
	if port == "" || i < 0 {
		return p
	}
	a := z.AccessPoints[i]
	p.AccessPointID, p.AccessPointName, p.AccessPointMAC = a.ID, a.Name, a.MAC
	if a.SSID != "" {
		p.SSID = a.SSID
	}
	if a.MAC != "" {
		p.CalledStationID = a.MAC
		if p.SSID != "" {
			p.CalledStationID += ":" + p.SSID
		}
	}
	return p
}
