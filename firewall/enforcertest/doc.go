// Package enforcertest holds what every sessions.Enforcer must do, as tests that each backend runs on itself.
//
// It owns the model of an enforcer and the walk that compares both, and judges by packets of stations of a lab. It must
// not know how an enforcer works: what a backend cannot do, or does less exactly, its Rig says. A disagreement fails the
// test and prints the seed and the steps that led there.
//
// Entry points: Walk.
package enforcertest
