package crash

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/e2e/readmodels"
)

// checkFunnel waits until the console counts what the log says.
func (r *run) checkFunnel(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return readmodels.FunnelOf(r.ledger).Await(ctx, "http://"+r.site.at(portConsole), r.site.app.Name)
}

// checkReplay stops everybody who writes, drops the tables of Postgres, and lets
// the projectors read the log again: the rows must be the same.
func (r *run) checkReplay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dsn := r.site.postgres.server.DSN()
	if err := r.halt("gate", "delivery"); err != nil {
		return err
	}
	before, err := readmodels.Checksum(ctx, dsn, r.log)
	if err != nil {
		return err
	}
	if err := r.halt("projector"); err != nil {
		return err
	}
	if err := readmodels.Drop(ctx, dsn); err != nil {
		return err
	}
	if err := r.site.migrate(ctx); err != nil {
		return err
	}
	for _, name := range []string{"projector-1", "projector-2"} {
		if err := r.site.find(name).start(); err != nil {
			return err
		}
	}
	after, err := readmodels.Checksum(ctx, dsn, r.log)
	if err == nil && after != before {
		err = fmt.Errorf("after a replay the checksum is %s, it was %s", after, before)
	}
	return err
}

// halt asks all processes of these stages to end, and they must end well.
func (r *run) halt(stages ...string) error {
	g := new(errgroup.Group)
	for _, stage := range stages {
		for n := 1; n <= 2; n++ {
			g.Go(func() error { return r.site.find(fmt.Sprintf("%s-%d", stage, n)).end(syscall.SIGTERM, 30*time.Second) })
		}
	}
	return g.Wait()
}
