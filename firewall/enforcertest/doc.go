// Package enforcertest holds what every sessions.Enforcer must do, as tests that each backend runs on itself: what it says
// without traffic (Contract), what packets of stations of a lab do or do not arrive, and a walk at random beside a model.
//
// It owns the Gate, a lab whose gateway has the firewall under test and a portal, the traffic sent through it, and the
// model. It must not know how an enforcer works: what a backend cannot do, or does less exactly, its Backend or Rig says. A
// disagreement fails the test; that of a walk prints the seed and the steps that led there.
//
// Entry points: New, Contract, the tests, one function each, and Walk.
package enforcertest
