// Package rules holds the repository's rules that the compiler cannot check,
// as tests: who may import whom, and which files are pure. It has no code of
// its own, and nothing imports it.
//
// Arrows run one way: cmd → internal/app → stages → internal/{control,
// snapshot, mailbox} → internal/eventlog → schemas. Each ban says why it
// stands; when a test fails, read the reason before you look for an exception.
package rules
