// Command gatehouse is the gateway of a guest network: "gatehouse run" is the daemon, every other verb talks to it over
// the control socket or works without it.
//
// It owns the flags, the order of start and stop, and the joining of packages that do not know one another; it decides
// nothing about stations. It must not know how a package does its work.
//
// How it fails: a start that cannot succeed says so in one message and ends with code 1, before the kernel or the
// journal has been touched where that can be known beforehand. A task that fails in the run ends the daemon in order;
// what the kernel enforces stays enforced. Exit codes: 0 done, 1 the thing asked for is not so, 2 wrong use, 3 the daemon
// cannot be reached.
//
// Entry points: main, daemon.
package main
