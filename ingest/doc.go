// Package ingest is the front door of the log: the only code that turns a fact
// into an event. It has two doors.
//
//	gate ──▶ Facts.Report ──────────────┐
//	                                    ├─▶ waybill.events, waybill.uplink.<app>
//	app-server ──▶ POST /v1/pushes ─────┘
//
// [Facts] is a library behind the gate's small interface; [Server] is the HTTP
// service through which app-servers push (docs/api.md, docs/openapi.yaml).
// Each has one appender, since a key must have one producer within a stage.
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
// later: the call is said again with the push ids that the answer names.
//
// # Bounds
//
// A call has a bound in bytes, users and pushes, a stream in lines in flight,
// a partition in records and bytes that the log has not confirmed; what is
// beyond is refused at once, for that partition's users only.
package ingest
