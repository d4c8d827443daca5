// Package ingest is the front door of the log: the only code that turns a fact
// into an event. It has three doors.
//
//	gate ──▶ Facts.Report ───────────────────┐
//	                                         ├─▶ waybill.events, waybill.uplink.<app>
//	app-server ─┬▶ POST /v1/pushes ──────────┤
//	            └▶ waybill.intake.<app> ─────┘
//
// [Facts] is a library behind the gate's small interface; [Server] is the HTTP
// service through which app-servers push (docs/api.md, docs/openapi.yaml);
// [Intake] reads what they produce to a topic of theirs, which other clients
// hash otherwise, and appends it under the keys of Waybill. Each has one
// appender, so that what comes in by one door stays in order; between the two
// doors of app-servers there is none.
//
// # Authority
//
// It decides nothing but whether a call is well-formed and its key known. It
// keeps no push ids: the end of the second push of one id is delivery's to say.
//
// # What may be lost
//
// Nothing that was answered with "accepted": that is said when the log has it
// on all replicas. "busy" is surely not in the log. "unknown" may be, now or
// later: the call is said again with the push ids that the answer names. A
// record of an intake topic is done with when the log has its pushes: then its
// offset is stored. One that is read twice has the same push ids both times.
//
// # Bounds
//
// A call has a bound in bytes, users and pushes, a stream in lines in flight,
// a partition in records and bytes that the log has not confirmed; what is
// beyond is refused at once, for that partition's users only. Intake waits
// instead, with at most a few thousand pushes of a partition in hand, and says
// at most ten bad records a second of one partition.
package ingest
