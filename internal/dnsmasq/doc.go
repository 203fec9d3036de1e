// Package dnsmasq tells the router's dnsmasq where the portal is: names and DHCP options, in two files that it has been
// pointed at (addn-hosts, dhcp-optsfile) and reads again on SIGHUP.
//
// It owns these two files and nothing else of dnsmasq's: not its configuration, not its processes. It must not know what is
// announced, nor when. What a later file leaves out, dnsmasq forgets; with folders that it watches by itself (hostsdir,
// dhcp-optsdir) it would not (2.90: an option that was taken away is sent on until SIGHUP).
//
// How it fails: with an error; dnsmasq then goes on with what it read before. When nobody points dnsmasq at the files,
// nothing happens.
//
// Entry points: Files.Write, Reread.
package dnsmasq
