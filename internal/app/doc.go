// Package app wires the stages: what the binary starts and what the end-to-end
// tests start is the same value, built here.
//
//	New*(Base, …) ──▶ Stage ──Start──▶ Running ──Stop──▶ drained
//	StartDev      ──▶ engines, topics, migrations, every stage, in this order
//
// A stage that runs looks for what it needs first: engines that answer, topics,
// tables of this version. While something is missing it waits, and says for what
// in the same words in the log and as its Standing. So stages, engines and
// Migrate may be started in any order.
//
// A stage has its own way to the log, as if it were a process of its own. The
// stages meet here and nowhere else.
package app
