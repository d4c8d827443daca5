// Package e2e holds the tests of whole ways, end to end: every stage, wired as
// the binary wires it (app.StartDev).
//
//	app-server ─POST─▶ ┌──────────── app.Dev ───────────┐ ◀─TCP─ phones
//	                   │ stages · Kafka · Postgres · CH │        (client SDK, raw frames)
//	books ◀─follow log─└────────────────────────────────┘─HTTP─▶ traces, funnel
//
// Three parties keep count without knowing of each other: the caller of the
// push API, the application on each phone, and the books, a fold of the log
// that is written from the rules alone (DESIGN §4) and shares nothing with the
// one of delivery. A test lets things happen to the stages between them and
// compares.
//
// The engines are the embedded ones or, with WAYBILL_ENGINES=real (make
// test-engines), processes of their own that a test may kill: Apache Kafka with
// one broker or three, and the Postgres and ClickHouse of `waybill engine`. The
// tests are the same, but for what only one kind can do: they say so.
//
// Nothing here is part of the product.
package e2e
