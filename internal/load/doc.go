// Package load measures a running Waybill from outside: it is its devices and
// its app-server at once, in one process of its own, so that one clock times a
// message from the call to the device.
//
//	driver ──HTTP──▶ ingest ▶ log ▶ delivery ▶ log ▶ gate ──TCP──▶ fleet
//	   ▲                                                            │
//	   └────────── window: so many are on their way ◀───────────────┘
//
// Devices are lean: all sockets hang on one epoll descriptor, frames are parsed
// where they were read, and everything that a read brought is acknowledged by
// one ack. They keep the protocol (docs/protocol.md) but store nothing: each
// start of the program is a new install.
//
// A figure counts only what is whole. A push counts when its call was answered
// with 202 and its device has it; at the end of a run every accepted push must
// have arrived once and must have an outcome in the console's funnel. A run
// that misses this fails, however fast it was.
//
// Latencies in a closed loop begin when the call is written; in an open loop
// they begin when it was meant to be written, so that a generator or a server
// that falls behind shows. The package runs on Linux only (epoll, /proc).
package load
