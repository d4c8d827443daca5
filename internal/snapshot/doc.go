// Package snapshot keeps the fold of one partition (internal/mailbox) as rows
// in Postgres: it loads all of them, and stores what changed.
//
//	          ┌ State ◀── Load ◀────────────── one REPEATABLE READ transaction
//	Snapshot ─┤ Serials                                        │
//	          └ Next ──▶ Cut ──▶ Flush ──▶ one transaction ──▶ rows + projection
//
// Two stages use it. The session projector folds, cuts and flushes; it is the
// only writer. Delivery loads, and folds on from there.
//
// The rows and the place in the log that they are as of are one transaction. A
// flush moves `projection.next` from where its own changes begin; if it stands
// elsewhere, somebody else has written and the flush is refused (ErrFenced): a
// second writer, a replay or a writer from before a rebuild changes nothing. No
// lock outlives a transaction.
//
// Authority is with the log. All tables may be dropped: a replay from the
// beginning writes the same rows, in whatever cuts it is done (Checksum).
package snapshot
