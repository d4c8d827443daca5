package e2e

import (
	"slices"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/e2e/readmodels"
)

// checkFunnel: the console counts what the log says, step by step and reason by
// reason.
func (s *storm) checkFunnel() {
	s.t.Helper()
	var want readmodels.Funnel
	s.books.Look(func(l *ledger.Ledger) { want = readmodels.FunnelOf(l) })
	ctx, cancel := bounded(s.t)
	defer cancel()
	if err := want.Await(ctx, s.url(app.DevConsole), s.App.Name); err != nil {
		s.t.Fatal(err)
	}
}

// checkReplay drops the tables of Postgres and lets the projector read the log
// again: the rows must be the same.
func (s *storm) checkReplay() {
	s.t.Helper()
	for _, name := range append(slices.Clone(gates), app.DevDelivery) { // nobody writes any more
		if err := s.Stop(name); err != nil {
			s.t.Errorf("stop %s: %v", name, err)
		}
	}
	before := s.settledChecksum()
	if err := s.Stop(app.DevSession); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	if err := readmodels.Drop(s.t.Context(), s.Base.Postgres); err != nil {
		s.t.Fatal(err)
	}
	empty := app.Base{Addresses: app.Addresses{Postgres: s.Base.Postgres}, Logger: s.Base.Logger}
	if err := app.Migrate(s.t.Context(), empty, app.MigrateConfig{}); err != nil {
		s.t.Fatal(err)
	}
	s.restart(app.DevSession)
	if after := s.settledChecksum(); after != before {
		s.t.Errorf("after a replay the checksum is %s, it was %s", after, before)
	}
}

// settledChecksum waits until the projection is at the log's end.
func (w *world) settledChecksum() string {
	w.t.Helper()
	ctx, cancel := bounded(w.t)
	defer cancel()
	sum, err := readmodels.Checksum(ctx, w.Base.Postgres, w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}
