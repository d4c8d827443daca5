// Package hop turns the log into rows of ClickHouse: hops, connections,
// pushes. It decides nothing.
//
//	waybill.events, waybill.uplink.* ──▶ a goroutine for each partition
//	                                       │ rows of each event (hops.go), gathered into a cut;
//	                                       │ hops that a push's row tells have none (ways.go)
//	                                       ▼
//	                        a round joins the cuts of the process into a flush
//	                                       ▼
//	   the group's commit: token, all cuts ──▶ insert under the token ──▶ commit: their ends
//
// # Exact after a replay
//
// ClickHouse has no transactions with Kafka. Before a flush is inserted, its
// token, its cuts and the state at the beginning of each (the origins' serials,
// the newest term) are committed as the metadata of these beginnings, in one
// request. Whoever takes one of the partitions over repeats exactly that flush:
// the same records, hence the same rows, under the same token, which ClickHouse
// drops if it has them (repeat.go). A worker that lost the partition cannot
// commit any more (the group's generation fences it), so at most one flush of a
// partition is ever in doubt. docs/decisions/0012 has the whole rule.
//
// # Authority, and what may be lost
//
// The log has authority. Rows may be dropped and replayed while the log holds
// their events. While ClickHouse is away the projector stops reading, holds a
// bounded number of rows and tries again: nothing is lost as long as it comes
// back within the log's retention. Decisions of an older term are no decisions
// and yield no rows.
package hop
