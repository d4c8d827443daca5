// Package outcomes tells app-servers how their pushes ended, and early that
// nobody is connected: it turns decisions of waybill.events into records of
// waybill.outcomes.<app>.
//
//	waybill.events ──▶ a goroutine for each partition: the outcome of a push as a
//	                     whole, and unreached (record.go), in the log's order
//	                                     │ a lane for each app
//	                                     ▼
//	                   waybill.outcomes.<app> ──acknowledged──▶ commit of the group
//
// It is part of the delivery stage, has a consumer group of its own, and decides
// nothing: like every reader it passes over decisions of older terms and over
// repeats. It reads only while an app's policy asks for it, from the time on
// that the app's record names.
//
// # At least once
//
// What is committed has been acknowledged by all replicas of the app's topic,
// never the other way round: a commit covers a stretch of the partition, with
// the state that tells repeats and terms, once every record of it is there. After
// a crash the stretch is told again. Each record names its position, which rises
// for each user, so that whoever reads it can pass over what it knows.
//
// # One app's topic is away
//
// Its records wait in its lane, in order, and nobody else's do. When a partition
// has too many waiting ([waitingMost]) it is read no further, for any app, until
// the topic is back: they lie in the log meanwhile, for as long as that is
// retained.
//
// # The next epoch
//
// Behind a partition's seal nothing counts. A partition of a later epoch begins
// when all of the former one has been told and committed, so that a user's
// records keep their order across the change.
//
// # What may be lost
//
// Nothing that the log retains. A feed that is further behind than retention
// says so and goes on with what there is.
package outcomes
