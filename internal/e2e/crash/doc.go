// Package crash is the crash run: every stage as a process of the real binary,
// three Apache Kafka brokers, Postgres and ClickHouse, all of which are killed
// with -9 and stopped while app-servers push and phones lose their connections.
//
//	office ─HTTP─▶ ingest 1, 2 ─▶ ┌ Kafka 1, 2, 3 ┐ ◀─▶ gate 1, 2 ◀─radio─ 550 phones
//	                              └───────────────┘ ◀─▶ delivery 1, 2 ◀─ Postgres
//	projector 1, 2 ─▶ Postgres, ClickHouse ◀─ console ◀─ the funnel
//
// Pushes have all options: a short ttl or none (now or never), a collapse key, a
// time, one device of several, the first device alone; some are canceled, also
// before they are said. Users have one, two or three devices, and those of a
// second app may have one only, which is replaced while they are pushed. The
// ledger judges each of these rules, and that each was put to the test.
//
// A seed decides what is pushed, what breaks and when. Three parties keep count
// without knowing of each other: the office (what it asked for, in which order,
// and what was accepted), the application on each phone (what it was handed), and
// the ledger, which is read from the log alone, raw. When all faults have stopped
// and every phone has come home but those that are away for long, Postgres is
// dropped and replayed; then these come home too, and what they are owed is paid
// out of the rows of the replay. In the end the three must agree, and the read
// models are held against them.
//
// A violation is a bug of Waybill until shown otherwise: the run keeps the logs
// of all processes, and of its first violation everything that the log says of
// that user, as a transcript for people.
//
// Processes die with the one that runs this, however that ends. Linux only.
package crash
