// Package console answers "where is my message?" and "how many arrived?" from
// the read models: an HTTP API in JSON and pages that are rendered here and
// need no script.
//
//	GET /v1/traces/{id}   a trace id or a push id   /traces/{id}
//	GET /v1/funnel        counts by label and time  /funnel
//	GET /v1/pushes        of a user or a label      /pushes
//	GET /v1/dead-letters  lost and unconfirmed      /dead-letters
//
// The rows come from ClickHouse (store.go); what they mean is told by pure
// functions: [Tell] makes the tracking page of a trace, [Tell] and its Text are
// also what `waybill trace` prints.
//
// The log has authority, the read models follow it within a second. So "no such
// message" has three answers: unknown, older than the history, and not there
// yet. When ClickHouse does not answer, neither does the console: 503, and it
// says so. The console stores nothing.
package console
