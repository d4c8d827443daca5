package crash

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"waybill/internal/e2e/bell"
	"waybill/internal/eventlog"
)

// breakIt begins a fault and returns what ends it.
func (r *run) breakIt(ctx context.Context, f Fault) (mend func(context.Context) error, err error) {
	switch f.Target {
	case postgresDB:
		return r.site.postgres.start, r.site.postgres.kill()
	case leader:
		return r.breakLeader(ctx, f)
	}
	p := r.site.find(f.Target)
	if p == nil {
		return nil, errors.New("there is no such process")
	}
	switch f.Kind {
	case Kill:
		return func(context.Context) error { return p.start() }, p.strike(syscall.SIGKILL)
	case Replace:
		return r.replace(p)
	}
	return func(context.Context) error { return p.signal(syscall.SIGCONT) }, p.strike(syscall.SIGSTOP)
}

// breakLeader does it to the broker that leads the fault's partition now.
func (r *run) breakLeader(ctx context.Context, f Fault) (func(context.Context) error, error) {
	kafka := r.site.kafka
	id := -1
	err := bell.Poll(ctx, "a leader", func() error {
		at, err := kafka.Place(ctx, eventlog.EventsTopic, f.Partition)
		if id = at.Leader; err == nil && id < 1 {
			err = errors.New("there is none")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	r.cfg.Say("         broker %d leads partition %d", id, f.Partition)
	if f.Kind == Pause {
		return func(ctx context.Context) error { return kafka.Wake(ctx, id) }, kafka.Pause(ctx, id)
	}
	return func(ctx context.Context) error { return kafka.Restart(ctx, id) }, kafka.Kill(ctx, id)
}

// exitReplaced is the exit code of a gate whose number has gone to a newer one.
const exitReplaced = 4

// replace stops a gate and starts another one of its number; once woken, it
// must end by itself.
func (r *run) replace(old *process) (func(context.Context) error, error) {
	if err := old.strike(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	next, ended := r.site.replace(old)
	wake := func(ctx context.Context) error {
		if err := old.signal(syscall.SIGCONT); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, fmt.Errorf("%s goes on beside its replacement", old.name))
		defer cancel()
		select {
		case <-ended:
			if code := old.exitCode(); code != exitReplaced {
				r.result.wrong("a replaced gate", "%s ended with code %d, want %d: %s", old.name, code, exitReplaced, old.lastWords())
			}
			return nil
		case <-ctx.Done():
			r.result.wrong("a replaced gate", "%v", context.Cause(ctx))
			return old.kill()
		}
	}
	return wake, next.start()
}
