// Package sim runs the real delivery core, mailbox fold, gap rule, repeat
// filter and SDK dedupe against each other through random schedules.
//
//	delivery.Core (up to five) ──commands──▶ gate.Gap ──frames──▶ client.Dedupe
//	     ▲    │ decisions                        │ facts
//	     └────┴────────── the log ◀──────────────┘
//
// What stands around them is a model: one partition with a broker's clock, the
// gates topic, two partitions of dispatch, a network, two gates that are
// killed, stopped and replaced, a projector that is killed and whose snapshots
// lag, rows that cannot be read, policies and revocations, which each gate and
// worker hears of in its own time, and one user with two devices that lose,
// restore and mistrust their storage, hang, are killed and are cloned. A schedule
// is a few hundred random steps of all of them; then the faults stop, and what
// must be true when nothing moves any more is checked.
//
// After each step: every accepted push stands in the fold or has ended, and a
// worker that owns the partition has a timer for it; one outcome for each
// identity, and none that contradicts what a device did; each device sees a
// push once, and none before an older one that it is owed.
//
// A seed and a set of [Faults] give the same schedule on every machine. Each
// step has draws of its own, so of a schedule that fails [Shrink] leaves out
// what does not matter and prints a transcript that a person can read.
//
// A test is worth what it finds. So each clause of the rules can be taken
// away, and a search must then find a schedule that breaks.
//
// How to ask it: WAYBILL_SCHEDULES, WAYBILL_SEED and WAYBILL_SHOW are said in
// sim_test.go; `make simulate` runs a million.
//
// What it does not test: I/O, the gates' and the SDK's own code around the two
// pure types, more than one user, epochs.
//
// Nothing here is used by production code.
package sim
