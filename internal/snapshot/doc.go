// Package snapshot keeps the fold of one partition (internal/mailbox) as rows
// in Postgres: it loads all of them, and stores what changed.
//
//	          ┌ State ◀── Load ◀────────────── one REPEATABLE READ transaction
//	Snapshot ─┤ Serials                                        │
//	          └ Next ──▶ Cut ──▶ Flush ──▶ one transaction ──▶ rows + projection
//
// Two stages use it. The session projector folds, cuts and flushes; it is the
// only writer. Delivery loads, and folds on from there. The console reads
// single users (LoadUser) and how far the projection is (Places).
//
// # Rows
//
// migrations/postgres has the tables and says why they are as they are:
//
//	devices, sessions, routes      one row for a device, by how often it changes
//	pending_pushes, debts          pushes that have not ended, for each device
//	waiting_pushes                 pushes that are not due yet
//	closing, tombstones            short lists of a user, in order
//	recent_pushes                  push ids, one row for a flush
//	projection                     place in the log, term, serials
//
// Each table has a file here with its columns (what a flush writes) beside its
// load. A flush hands over columns, an array for each, so a table costs one
// statement however many rows it has, and all statements cost one round trip.
//
// What the rows say depends on the log alone, not on where it was cut: nothing
// is stored for what is empty, and nothing for what came and went in between.
// Checksum compares that.
//
// # The fence
//
// The rows and the place in the log that they are as of are one transaction. A
// flush moves `projection.next` from where its own changes begin; if it stands
// elsewhere, somebody else has written and the flush is refused (ErrFenced): a
// second writer, a replay or a writer from before a rebuild changes nothing: it
// presumes the identity of the table too, which a rebuild changes. No lock
// outlives a transaction.
//
// # Authority, and what may be lost
//
// Authority is with the log. All tables may be dropped: a replay from the
// beginning writes the same rows, as far back as the log reaches. A flush whose
// commit was not answered may have happened; tried again, it is refused, and
// the next load finds it.
package snapshot
