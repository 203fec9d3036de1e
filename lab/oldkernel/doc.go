// Package oldkernel runs compiled tests on another kernel than the machine's: on Debian's own, in a computer that qemu emulates
// in software. What the firewall asks of a kernel is thereby proven on an old one too, and on one that has what the machine's
// may lack (VLANs, flow offload, ipset hash:mac).
//
// It owns the first file system of that computer (the tests, the programs of the lab with their libraries, the kernel's
// modules, one script as process 1) and reads the results from its serial console. It must not know what the tests test.
//
// How it fails: Boot's error says that the computer did not come to its end; what it said so far went to the writer. A test that
// fails is no error but a Result.
//
// Entry points: Machine.Boot, Inside.
package oldkernel
