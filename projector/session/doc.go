// Package session is the projector that keeps sessions, routes and pending
// pushes in Postgres: the read model of support, and the snapshot from which
// delivery takes a partition over.
//
//	waybill.events ─▶ fold (internal/mailbox) ─▶ cut ─▶ one transaction
//	                    in memory                 every 300 ms: rows, offset, serials, term
//
// Each assigned partition has a goroutine that folds the log and, some times a
// second, stores what has changed since (internal/snapshot). What begins and
// ends between two flushes writes no row, and that is nearly every push.
//
// It decides nothing and owns nothing: the log has authority. The offset stands
// in Postgres, beside the rows that it produced, so a kill at any moment loses
// nothing and repeats nothing; of two projectors on one partition the one that
// is overtaken is refused and loads anew. The group's offsets in Kafka are for
// tools that show lag; nobody starts from them.
//
// While Postgres is away nothing is read: memory holds one cut, the batches
// that were fetched, and the fold.
package session
