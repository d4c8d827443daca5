// Package hop turns the log into rows of ClickHouse: hops, connections,
// pushes. It decides nothing.
//
//	waybill.events, waybill.uplink.* ──▶ a goroutine for each partition
//	                                       │ rows of each event (hops.go), gathered into a cut
//	                                       ▼
//	   the group's commit: cut first..next ──▶ insert under a token ──▶ commit: next
//
// # Exact after a replay
//
// ClickHouse has no transactions with Kafka. Before a cut is inserted, its end
// and the state at its beginning (the origins' serials, the newest term) are
// committed as the metadata of its beginning. Whoever takes the partition over
// repeats exactly that cut: the same records, hence the same rows, under the
// same token, which ClickHouse drops if it has them. A worker that lost the
// partition cannot commit any more (the group's generation fences it), so at
// most one cut of a partition is ever in doubt.
//
// # Authority, and what may be lost
//
// The log has authority. Rows may be dropped and replayed while the log holds
// their events. While ClickHouse is away the projector stops reading, holds a
// bounded number of rows and tries again: nothing is lost as long as it comes
// back within the log's retention. Decisions of an older term are no decisions
// and yield no rows.
package hop
