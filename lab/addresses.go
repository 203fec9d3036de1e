package lab

// The addresses of every lab: documentation prefixes (RFC 5737, RFC 3849) and one private network.
const (
	GuestBridge   = "br-guest"
	GuestGateway4 = "192.168.77.1"                                             // the gateway in the guest network
	GuestNet4     = "192.168.64.0/20"                                          // DHCP gives 192.168.77.20 to .250, static stations have 192.168.64.10 and on
	GuestGateway6 = "2001:db8:77::1"                                           // beside its link-local address
	GuestNet6     = "2001:db8:77::/64"                                         // announced by RA; the wan routes it back through the gateway
	GuestMAC      = "02:00:5e:77:00:01"                                        // of the bridge
	WANInterface  = "wan0"                                                     // of the gateway
	GatewayWAN4   = "203.0.113.2"                                              // of the gateway, on WANInterface
	GatewayWAN6   = "2001:db8:f::2"                                            // of the gateway, on WANInterface
	ProviderWAN4  = "203.0.113.1"                                              // the gateway's default router
	ProviderWAN6  = "2001:db8:f::1"                                            // the gateway's default router
	PeerInterface = "eth0"                                                     // the only interface of the wan and of every station
	WebAddr4      = "203.0.113.10"                                             // HTTP 80, HTTPS 443, UDP echo 7 and 443
	WebAddr6      = "2001:db8:f::10"                                           //
	GardenAddr4   = "198.51.100.20"                                            // the same servers again, for walled gardens; name GardenName
	GardenAddr6   = "2001:db8:f::20"                                           //
	CentreAddr4   = "198.51.100.10"                                            // nothing listens: the place for gatehouse-central; name CentreName
	CentreAddr6   = "2001:db8:f::c"                                            //
	DNSAddr4      = "203.0.113.53"                                             // DNS over UDP and TCP; the gateway's dnsmasq asks it
	DNSAddr6      = "2001:db8:f::53"                                           //
	GardenName    = "garden.example"                                           // GardenAddr4, GardenAddr6, and so have all names below
	CentreName    = "centre.example"                                           // CentreAddr4, CentreAddr6
	Services      = "127.0.0.0/8,198.51.100.0/24,203.0.113.0/24,2001:db8::/32" // where all but guests are: what the centre must be allowed to reach
	AdminPageText = "router admin login"                                       // what the gateway's own port 80 says
)
