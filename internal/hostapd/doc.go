// Package hostapd has the access points of this router send stations away, so that a phone connects anew, asks again
// whether it is online, and shows the login page: a phone whose session is over otherwise only says "no internet".
//
// It owns nothing. It asks by a program of the router's: ubus where there is one (OpenWrt; the object hostapd.INTERFACE),
// else hostapd_cli. It must not know zones or sessions: plain MAC addresses and interfaces go in.
//
// How it fails: nobody waits for it. A queue that is full forgets what comes; a program or an interface that is not there
// is told once, and the stations stay where they are.
//
// Entry points: New, Disassociator.Disassociate, Disassociator.Run.
package hostapd
