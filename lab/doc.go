// Package lab builds whole guest networks out of kernel namespaces, for tests, the demo and the benches: an internet
// ("wan"), a gateway with bridges, DHCP, DNS and router advertisements, and any number of stations with a MAC of their
// own and a real DHCP client. It sets no firewall rule: masquerade is up to gatehouse or to the test.
//
// A program enters by Main, which runs it again inside fresh mount, network, pid and uts namespaces (inside a user
// namespace when it is not root). All that a lab makes lives in there, so the kernel takes it away when the program
// ends, however it ends. TMPDIR is memory in there, /run is empty, /etc/resolv.conf names the lab's gateway.
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }
//
// Entry points: Main, New, Lab.AddStation, Host, RequireKernel, NewLoopDisk. Every lab has the same addresses (the
// constants of this package), because no lab sees another. The package must not know gatehouse's own packages.
//
// How it fails: a machine that cannot isolate runs the program all the same; then New returns an error that says what
// is missing, and RequireKernel skips the test, or fails it where CI is set.
package lab
