// Package pages runs every command that stands in the README, in CONTRIBUTING
// and in docs/: a page whose command fails, or answers otherwise than it shows,
// fails the test.
//
//	page ──read──▶ commands ──rules──▶ run in order, in one folder, against one
//	                                   `waybill dev`, or on engines of their own
//
// Commands run as they stand there; ports, keys and other places to fill in are
// replaced. What cannot be run in a test (it takes an hour, it needs Docker) has
// a reason in rules_test.go, and is checked as far as it goes. A command that
// nobody knows how to run fails: it is given a row there.
//
// Nothing here is part of the product.
package pages
