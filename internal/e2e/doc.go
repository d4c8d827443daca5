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
// # Reports from the field
//
// What went wrong on other platforms, and the tests that hold it off here. A
// test's part is named by the beginning of its name.
//
//	a client kicked by its own stale socket after a Wi-Fi switch         TestSessions
//	a killed app that comes back and kicks the newer login               TestSessions/a killed app
//	messages lost during takeover                                        TestSessions, TestStorm
//	a phone restored from a backup                                       TestSessions
//	two phones kicking each other for ever                               TestFightReports, TestDevicePolicies
//	a route that says online 84 minutes after the last sign of life      TestRouteReports
//	offline messages that vanish after a silent 24 hours                 TestDeliveryReports
//	a message seen twice when a reconnect overlaps a slow handler        TestDeliveryReports
//	unacknowledged messages that wait for a reconnect that never comes   TestDeliveryReports
//	one message that crashes the application and blocks all behind it    TestDeliveryReports
//	five connections in bad coverage that throw good messages away       TestDeliveryReports
//	a device that is connected and gets nothing                          TestDeliveryReports
//	an outage of the broker that turns into a storm of reconnects        TestOnlyBrokerKilled, TestKafkaAway, TestLeaderKilled
//	a slow worker that turns into a storm of reconnects                  TestDeliveryReports
//
// Nothing here is part of the product.
package e2e
