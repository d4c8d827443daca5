// Package readmodels holds the read models against the log: the funnel, which
// the console answers out of ClickHouse, the history, which is its rows, and the
// sessions, which are in Postgres.
//
//	ledger ──FunnelOf──▶ Funnel ──Await──▶ console ◀── ClickHouse
//	ledger ──HistoryOf──▶ History ──Await──▶ ClickHouse
//	log ──▶ its end ──Checksum──▶ Postgres; Drop it, let it be read again: the same
//
// All follow the log at a pace of their own: whoever compares waits for them,
// for as long as its context lasts.
package readmodels
