// Package chdb opens the real ClickHouse engine as a library, libchdb.so, and
// puts a loopback HTTP endpoint in front of it.
//
//	clickhouse-go, goose ──HTTP──▶ Server ──one query at a time──▶ Conn ─┐
//	                                  └─────────────────────────▶ Conn ─┴▶ libchdb.so, one data directory
//
// The library is loaded at run time, so that building needs no C compiler; with
// and without cgo it is the same code. A process opens one library and one data
// directory. The engine brings its own threads and signal handlers, takes
// hundreds of megabytes and can end the whole process when it fails: run it in
// a process of its own (package engine does).
//
// The endpoint speaks as much of ClickHouse's HTTP interface as clickhouse-go
// and goose need: queries, parameters, settings, inserts with a body, typed
// exceptions. It knows no sessions, no compression of its own, no external tables
// and no canceling: a query whose client has gone away runs on until
// max_execution_time ends it. It is for development and tests; production uses
// a ClickHouse server.
//
// The engine has authority over the data directory. What an INSERT has been
// answered for survives a kill of the process; a power cut may take what the
// system had not written yet.
package chdb
