// Package session is the projector that keeps sessions, routes and pending
// pushes in Postgres: the read model of support, and the snapshot from which
// delivery takes a partition over.
//
//	waybill.events ─▶ fold (internal/mailbox) ─▶ cut ─▶ one transaction
//	                    in memory                 every 500 ms: rows, offset, serials, term
//
// Each assigned partition has a goroutine that folds the log and, some times a
// second, stores what has changed since (internal/snapshot). What begins and
// ends between two flushes writes no row, and that is nearly every push.
//
// It decides nothing and owns nothing: the log has authority. The offset stands
// in Postgres, beside the rows that it produced, so a kill at any moment loses
// nothing and repeats nothing. The group's offsets in Kafka are for tools that
// show lag; nobody starts from them.
//
// # Failures
//
//   - Postgres away, or its tables: says so once, tries again with pauses, reads
//     nothing meanwhile. Memory holds one cut, the batches that were fetched,
//     and the fold. Readers of the rows see their age in projection.at.
//   - Two projectors on one partition (one slept through a rebalance): the one
//     that is overtaken is refused at its next flush and loads anew.
//   - Tables dropped while it runs: refused likewise, and the log is projected
//     from its beginning.
//   - A log that ends before the rows (wiped, or cut off): the rows are dropped,
//     and what it holds is projected.
//   - Rows that contradict each other, or that Postgres refuses: an error each
//     time, with growing pauses; the partition stands still until somebody
//     looks. Other partitions go on.
//
// # Epochs
//
// A partition ends at its seal: nothing counts behind it. The partitions of the
// next epoch begin with the rows of the former, which one of them carries over
// when every seal is in the rows (epoch.go, docs/decisions/0016-next-epoch.md).
//
// # Rebuild
//
// A Rebuild folds the log into fresh tables beside the live ones, compares, and
// swaps them; docs/decisions/0014-rebuild-beside.md has the reasons. A projector
// that runs meanwhile is refused at its next flush and loads what it finds.
package session
