package crash

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/readmodels"
)

// checkFunnel waits until the console counts what is wanted.
func (r *run) checkFunnel(ctx context.Context, want readmodels.Funnel) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return want.Await(ctx, "http://"+r.site.at(portConsole), "") // of both apps
}

// checkHistory waits until ClickHouse has each row of the log once.
func (r *run) checkHistory(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return readmodels.HistoryOf(r.ledger).Await(ctx, r.site.clickhouse())
}

// checkReplay kills everybody who writes while phones are connected and pushes
// wait for those who are away, drops the tables of Postgres, and lets the
// projectors read the log again: the rows must be the same, and many.
func (r *run) checkReplay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dsn := r.site.dsn
	if err := r.silence(ctx, dsn); err != nil {
		return err
	}
	before, err := readmodels.Checksum(ctx, dsn, r.log)
	if err != nil {
		return err
	}
	if r.result.standing, err = readmodels.Stands(ctx, dsn, r.log); err != nil {
		return err
	}
	if err := r.enough(r.result.standing); err != nil {
		return err
	}
	if err := r.rebuild(ctx, dsn); err != nil {
		return err
	}
	after, err := readmodels.Checksum(ctx, dsn, r.log)
	if err == nil && after != before {
		err = fmt.Errorf("after a replay the checksum is %s, it was %s", after, before)
	}
	return err
}

// enough says whether a checksum of that means anything.
func (r *run) enough(s readmodels.Standing) error {
	pushes, sessions := countAway(r.office.pushes), Devices+absent/2
	if s.Pushes < pushes || s.Sessions < sessions || s.Routes < Devices {
		return fmt.Errorf("postgres has %d pending pushes, %d live sessions and %d routes, want %d, %d and %d at least",
			s.Pushes, s.Sessions, s.Routes, pushes, sessions, Devices)
	}
	return nil
}

// silence ends all who append to the log. One gate drains; when its phones have
// moved to the other one, delivery is killed, and then that gate, so that their
// routes stay.
func (r *run) silence(ctx context.Context, dsn string) error {
	if err := r.halt("gate-2"); err != nil {
		return err
	}
	err := bell.Poll(ctx, "every phone to move to the other gate", func() error {
		s, err := readmodels.Stands(ctx, dsn, r.log)
		if err != nil {
			return err
		}
		return r.enough(s)
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"delivery-1", "delivery-2", "gate-1"} {
		if err := r.site.find(name).strike(syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill %s: %w", name, err)
		}
	}
	const onTheWay = time.Second // until the log has what the dead had sent
	return pause(ctx, onTheWay)
}

// rebuild lets the projectors write Postgres anew.
func (r *run) rebuild(ctx context.Context, dsn string) error {
	if err := r.halt("projector-1", "projector-2"); err != nil {
		return err
	}
	if err := readmodels.Drop(ctx, dsn); err != nil {
		return err
	}
	if err := r.site.migrate(ctx); err != nil {
		return err
	}
	return errors.Join(r.site.find("projector-1").start(), r.site.find("projector-2").start())
}

// halt asks these processes to end, and they must end well.
func (r *run) halt(names ...string) error {
	g := new(errgroup.Group)
	for _, name := range names {
		g.Go(func() error { return r.site.find(name).end(syscall.SIGTERM, 30*time.Second) })
	}
	return g.Wait()
}
