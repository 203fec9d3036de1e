// Package clock gives the two readings of time that gatehouse's rules may use: the wall clock, which may jump, and
// CLOCK_BOOTTIME, which only ever runs forward and, together with the boot id, survives a restart of the daemon.
//
// It owns nothing and cannot fail at run time: System reads the boot id once and returns the error then.
// Tests put a Fake in its place. Waiting is done with the standard library's timers.
package clock
