package crash

import (
	"context"
	"fmt"
	"strings"
	"syscall"
)

// breakIt begins a fault.
func (r *run) breakIt(ctx context.Context, f Fault) error {
	switch {
	case f.Target == "postgres":
		return r.site.postgres.kill()
	case strings.HasPrefix(f.Target, "broker-"):
		return r.site.brokers.do(ctx, "kill", f.Target)
	}
	p := r.site.find(f.Target)
	if p == nil {
		return fmt.Errorf("there is no %s", f.Target)
	}
	if f.Kind == Pause {
		return p.signal(syscall.SIGSTOP)
	}
	return p.kill()
}

// mend ends a fault.
func (r *run) mend(ctx context.Context, f Fault) error {
	switch {
	case f.Target == "postgres":
		return r.site.postgres.start(ctx)
	case strings.HasPrefix(f.Target, "broker-"):
		return r.site.brokers.do(ctx, "restart", f.Target)
	}
	if p := r.site.find(f.Target); f.Kind == Kill {
		return p.start()
	} else {
		return p.signal(syscall.SIGCONT)
	}
}
