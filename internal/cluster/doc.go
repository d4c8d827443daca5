// Package cluster runs an Apache Kafka for a test: one broker, or three with
// three copies of everything, of which the test may kill, stop and wake each.
//
//	test ── stdin ──▶ .ci/kafka/cluster hold N ──▶ broker 1 … N (Java)
//	     └─ kill, pause, wake, restart ID ──────▶
//
// All that knows Kafka's settings is the script, which people run by hand too.
// It holds the brokers as long as its stdin is open and wipes them then: however
// the test ends, also by kill -9, no broker outlives it.
//
// Each cluster listens on a loopback address of its own, drawn from 127.0.0.0/8,
// so that clusters side by side need not agree on ports. That is Linux; so are
// the embedded engines.
//
// For tests alone: nothing of the product imports it.
package cluster
