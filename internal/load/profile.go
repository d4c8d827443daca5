package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Profile says where the time of one process went, by what the code is for.
type Profile struct {
	Seconds float64       `json:"seconds"`         // of CPU that were sampled
	PerPush float64       `json:"micros_per_push"` // CPU of the process for one push
	Parts   []ProfilePart `json:"parts"`           // the largest first
}

// ProfilePart is one purpose.
type ProfilePart struct {
	Name   string  `json:"name"`
	Share  float64 `json:"share"`  // of the process, 0 to 1
	Kernel float64 `json:"kernel"` // of it in system calls
	Memory float64 `json:"memory"` // of it allocating
	Micros float64 `json:"micros"` // for each push
}

// owners say whose a stack is. The innermost function that has an owner
// decides: what the broker's client does for a stage is the client's, what a
// stage lets the standard library do is the stage's.
var owners = []struct{ prefix, part string }{
	{"github.com/twmb/franz-go/pkg/kfake", "broker (embedded Kafka)"},
	{"github.com/twmb/franz-go/", "the log's client (franz-go)"},
	{"waybill/internal/eventlog", "event log"},
	{"waybill/gate", "gate"},
	{"waybill/ingest", "ingest"},
	{"waybill/delivery", "delivery"},
	{"waybill/internal/mailbox", "mailboxes (delivery and session projector)"},
	{"waybill/projector/hop", "hop projector"},
	{"github.com/ClickHouse/", "hop projector"},
	{"waybill/projector/session", "session projector"},
	{"waybill/internal/snapshot", "session projector"},
	{"github.com/jackc/", "session projector"},
	{"waybill/schemas", "events: encode and decode"},
	{"waybill/console", "console"},
	{"go.opentelemetry.io/", "metrics"},
	{"net/http.", "HTTP server"},
	{"runtime.gcBgMarkWorker", "garbage collector"},
	{"runtime.bgsweep", "garbage collector"},
	{"runtime.bgscavenge", "garbage collector"},
}

const (
	partRuntime = "Go scheduler and timers"
	partOther   = "other"
)

// ownerOf a stack.
func ownerOf(stack []string) string {
	for _, f := range stack {
		for _, o := range owners {
			if strings.HasPrefix(f, o.prefix) {
				return o.part
			}
		}
	}
	if len(stack) > 0 && strings.HasPrefix(stack[len(stack)-1], "runtime.") {
		return partRuntime
	}
	return partOther
}

// inKernel: the innermost function is the system call itself, or a part of the
// runtime that makes one.
func inKernel(stack []string) bool {
	if len(stack) == 0 {
		return false
	}
	f := stack[0]
	return strings.HasSuffix(f, ".Syscall6") || slices.Contains(kernelCalls, f)
}

var kernelCalls = []string{"runtime.futex", "runtime.write1", "runtime.usleep", "runtime.madvise", "runtime.tgkill", "syscall.rawVforkSyscall"}

// summarize adds the samples up; perPush is the process's CPU for one push in
// microseconds.
func summarize(samples []stackSample, perPush float64) Profile {
	type sums struct{ all, kernel, memory int64 }
	parts, total := map[string]*sums{}, int64(0)
	for _, s := range samples {
		name := ownerOf(s.stack)
		at := parts[name]
		if at == nil {
			at = &sums{}
			parts[name] = at
		}
		at.all += s.nanos
		total += s.nanos
		switch {
		case inKernel(s.stack):
			at.kernel += s.nanos
		case slices.Contains(s.stack, "runtime.mallocgc"):
			at.memory += s.nanos
		}
	}
	p := Profile{Seconds: float64(total) / 1e9, PerPush: perPush}
	for name, at := range parts {
		all := float64(total)
		p.Parts = append(p.Parts, ProfilePart{
			Name: name, Share: float64(at.all) / all, Kernel: float64(at.kernel) / all, Memory: float64(at.memory) / all,
			Micros: perPush * float64(at.all) / all,
		})
	}
	slices.SortFunc(p.Parts, func(a, b ProfilePart) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Parts, func(a, b ProfilePart) int { return int(1e6*b.Share) - int(1e6*a.Share) })
	return p
}

// takeProfile samples a process for so long.
func takeProfile(ctx context.Context, private string, d time.Duration) ([]stackSample, error) {
	b, err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", private, max(int(d.Seconds()), 1)))
	if err != nil {
		return nil, fmt.Errorf("take a profile: %w", err)
	}
	return parseProfile(b)
}

// runProfile drives a closed loop and samples dev meanwhile. The sampling costs
// a little, so no figure of speed is taken from this run.
func runProfile(ctx context.Context, s *Suite, e *Entry) error {
	return s.with(ctx, dev, streamed, func(session *Session) error {
		var samples []stackSample
		var failed error
		sampled := make(chan struct{})
		go func() {
			defer close(sampled)
			if failed = sleep(ctx, session.cfg.Warmup); failed == nil {
				samples, failed = takeProfile(ctx, session.cfg.Metrics, session.cfg.Duration)
			}
		}()
		run, err := session.Push(ctx)
		<-sampled
		e.Runs, e.Median = []Run{run}, median([]Run{run})
		if failed == nil {
			p := summarize(samples, run.CPU["dev"]*100)
			e.Profile = &p
		}
		return errors.Join(err, failed)
	})
}

func profileFigures(e *Entry) []Figure {
	var perPush float64
	if e.Profile != nil {
		perPush = e.Profile.PerPush
	}
	return []Figure{{"profile.push", "CPU of the process for one push", "µs", perPush, Goal{}}}
}
