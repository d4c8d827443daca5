package sim

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill/schemas"
)

// Numbers of schedules. Under the race detector a schedule takes ten times as
// long and finds nothing more: it runs on one goroutine.
const (
	defaultSchedules = 20_000
	racedSchedules   = 1000
	faultSchedules   = 20_000
)

// env is a number from the environment.
func env(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: want a number", name, s)
	}
	return n
}

// TestSimulate runs WAYBILL_SCHEDULES schedules from WAYBILL_SEED on. With
// WAYBILL_SEED=now each run has others.
func TestSimulate(t *testing.T) {
	schedules := uint64(defaultSchedules)
	if raced {
		schedules = racedSchedules
	}
	schedules = env(t, "WAYBILL_SCHEDULES", schedules)
	from := uint64(time.Now().UnixNano())
	if os.Getenv("WAYBILL_SEED") != "now" {
		from = env(t, "WAYBILL_SEED", 1)
	}
	s := &search{t: t, from: from, end: from + schedules, next: from, start: time.Now()}
	s.run()
	t.Logf("%d schedules from seed %d on in %v: %d records, %d commands, %d swallowed, %d holes, %d handled",
		s.played.Schedules, from, time.Since(s.start).Round(time.Millisecond),
		s.played.Records, s.played.Commands, s.played.Swallowed, s.played.Holes, s.played.Handled)
	if !t.Failed() && schedules >= defaultSchedules {
		meetsEverything(t, &s.played)
	}
}

// search sweeps through seeds on all processors until it finds something.
type search struct {
	t         *testing.T
	from, end uint64
	start     time.Time
	stop      atomic.Bool

	mu     sync.Mutex // guards what follows
	next   uint64
	played Stats
}

const chunk = 500

func (s *search) run() {
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for s.part() {
			}
		})
	}
	all.Wait()
}

// part plays one chunk, and says whether to go on.
func (s *search) part() bool {
	s.mu.Lock()
	from := s.next
	n := min(chunk, s.end-from)
	s.next += n
	s.mu.Unlock()
	if n == 0 || s.stop.Load() {
		return false
	}
	found, r, played := Sweep(int(n), Schedule{Seed: from})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.played.Add(&played)
	if found && !s.stop.Swap(true) {
		small := Shrink(r.Schedule)
		s.t.Errorf("seed %d: %s\nmade as short as it can be:\n%s", r.Schedule.Seed, r.Failure, strings.Join(small.Transcript, "\n"))
	}
	if before := s.played.Schedules - played.Schedules; before/100_000 < s.played.Schedules/100_000 {
		s.t.Logf("%d of %d schedules in %v", s.played.Schedules, s.end-s.from, time.Since(s.start).Round(time.Second))
	}
	return !found
}

// meetsEverything: a simulation that never meets an ending says nothing of it.
func meetsEverything(t *testing.T, s *Stats) {
	t.Helper()
	for _, r := range []schemas.Reason{
		schemas.Reason_REASON_PEER_CLOSED, schemas.Reason_REASON_STALE_LOGIN, schemas.Reason_REASON_SUPERSEDED,
		schemas.Reason_REASON_KICKED, schemas.Reason_REASON_ACK_TIMEOUT, schemas.Reason_REASON_QUEUE_FULL,
		schemas.Reason_REASON_GAP, schemas.Reason_REASON_GATE_REPLACED, schemas.Reason_REASON_GATE_SILENT,
		schemas.Reason_REASON_DISPATCH_JUMP, schemas.Reason_REASON_LOGGED_OUT, schemas.Reason_REASON_SESSION_ENDED,
		schemas.Reason_REASON_ACKED, schemas.Reason_REASON_CANCELED, schemas.Reason_REASON_COLLAPSED,
		schemas.Reason_REASON_DUPLICATE, schemas.Reason_REASON_ID_REUSED, schemas.Reason_REASON_EXPIRED,
		schemas.Reason_REASON_NEVER_CONNECTED, schemas.Reason_REASON_OVERFLOW, schemas.Reason_REASON_TOO_LARGE,
		schemas.Reason_REASON_SENT_UNACKED, schemas.Reason_REASON_NEVER_SENT, schemas.Reason_REASON_POISON,
		schemas.Reason_REASON_SESSION_EXPIRED, schemas.Reason_REASON_DELIVERED_ELSEWHERE,
		schemas.Reason_REASON_REVOKED, schemas.Reason_REASON_IDENTIFIED, schemas.Reason_REASON_FLAPPING,
	} {
		if s.Reasons[r] == 0 {
			t.Errorf("no schedule met %s", r.Word())
		}
		t.Logf("%20s %d", r.Word(), s.Reasons[r])
	}
	t.Logf("%d unreached, %d left memory, %d came back", s.Unreached, s.Evicted, s.Returned)
	if s.Unreached == 0 || s.Evicted == 0 || s.Returned == 0 {
		t.Error("none of one of these")
	}
}

// TestPlantedFaults takes one clause away after the other: each must be found,
// within WAYBILL_FAULT_SCHEDULES schedules that meet the trouble it is about.
func TestPlantedFaults(t *testing.T) {
	if raced {
		t.Skip("the searches are long; they run without the race detector")
	}
	most := int(env(t, "WAYBILL_FAULT_SCHEDULES", faultSchedules))
	for _, c := range Clauses() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			found, r, played := Sweep(most, Schedule{Seed: 1, Off: c.Fault, Meets: c.Meets, Directed: c.Directed})
			if !found {
				t.Fatalf("not found in %d schedules", played.Schedules)
			}
			if c.Directed != nil {
				holds(t, c)
			}
			t.Logf("%-24s found by schedule %d: %.110s", c.Name, played.Schedules, r.Failure)
		})
	}
}

// holds: with the clause, its directed schedule breaks nothing.
func holds(t *testing.T, c Clause) {
	t.Helper()
	if found, r, _ := Sweep(200, Schedule{Seed: 1, Directed: c.Directed}); found {
		t.Fatalf("found with the clause: %s\n%s", r.Failure, strings.Join(Show(r.Schedule).Transcript, "\n"))
	}
}

func TestSameSeedSameSchedule(t *testing.T) {
	for seed := range uint64(20) {
		a, b := Show(Schedule{Seed: seed}), Show(Schedule{Seed: seed})
		if got, want := strings.Join(b.Transcript, "\n"), strings.Join(a.Transcript, "\n"); got != want {
			t.Fatalf("seed %d: two transcripts differ:\n%s\n\n%s", seed, want, got)
		}
		if Run(Schedule{Seed: seed}).Stats != a.Stats {
			t.Fatalf("seed %d: a transcript changes the schedule", seed)
		}
	}
}

// TestShow prints the transcript of the seed WAYBILL_SHOW, without the clause
// WAYBILL_WITHOUT if that is set; of one that fails, what is left of it when it
// has been made as short as it can be, or all with WAYBILL_WHOLE.
func TestShow(t *testing.T) {
	if os.Getenv("WAYBILL_SHOW") == "" {
		t.Skip("WAYBILL_SHOW names no seed")
	}
	s := Schedule{Seed: env(t, "WAYBILL_SHOW", 0)}
	for _, c := range Clauses() {
		if c.Name == os.Getenv("WAYBILL_WITHOUT") {
			s.Off, s.Meets, s.Directed = c.Fault, c.Meets, c.Directed
		}
	}
	r := Shrink(s)
	if r.Failure == "" || os.Getenv("WAYBILL_WHOLE") != "" {
		r = Show(s)
	}
	t.Logf("%s\nresult: %s", strings.Join(r.Transcript, "\n"), r.Failure)
}
