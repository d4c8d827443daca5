// Package engine starts the embedded engines of waybill dev and of the tests:
// the same protocols as the real clusters, on one machine, without preparation.
//
//	Kafka       kfake, in this process, on loopback TCP
//	Postgres    a real server, a child process, on a Unix socket
//	ClickHouse  the real engine as a library behind a loopback HTTP endpoint,
//	            a child process of the same binary
//
// Each engine owns one directory: a LOCK (one opener at a time), an ENGINE file
// that names the engine and the version that wrote the directory, and the data.
// Data of another version is refused, never converted.
//
// A child never outlives its parent, also when that is killed with -9: Postgres
// gets SIGINT from the kernel, ClickHouse sees the end of its standard input,
// and both hold the directory's lock until they have gone. What an engine has
// acknowledged survives the kill of any process. A power cut may take the
// newest data of Kafka (unless SyncWrites is set) and of ClickHouse; Postgres
// keeps what it has committed.
//
// Binaries are found on the machine or fetched once, pinned by hash, into a
// cache directory (Fetch). None of this is meant for production.
package engine
