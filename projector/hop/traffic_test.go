package hop_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/projector/hop"
	"waybill/schemas"
)

// BenchmarkTraffic projects pushes while they are made, at a steady rate, with
// the records that a delivered push leaves in the log. What counts is not the
// time but the CPU seconds of ClickHouse for 10,000 pushes; those of this
// process include the broker and the maker of the log.
//
//	go test -run xxx -bench Traffic -benchtime 1x ./projector/hop
func BenchmarkTraffic(b *testing.B) {
	for _, rate := range []int{1_000, 25_000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) { benchmarkTraffic(b, rate) })
	}
}

func benchmarkTraffic(b *testing.B, rate int) {
	const warm, measured = 2 * time.Second, 6 * time.Second
	bench := newBenchOf(b, 4)
	engine := childOf(b, "engine")
	stop := bench.start(func(cfg *hop.Config) { *cfg = hop.Config{Log: cfg.Log, DSN: bench.dsn} })
	defer stop()
	for range b.N {
		t := traffic{bench: bench, rate: rate}
		t.run(warm)
		engine.reset()
		own.reset()
		from := t.pushes
		began := time.Now()
		t.run(measured)
		b.ReportMetric(float64(t.pushes-from)/time.Since(began).Seconds(), "pushes/s")
		pushes := float64(t.pushes-from) / 10_000
		b.ReportMetric(engine.seconds()/pushes, "engine-s/10k")
		b.ReportMetric(own.seconds()/pushes, "own-s/10k")
		t.settle()
		b.ReportMetric(engine.seconds()/pushes, "settled-s/10k")
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(bench.number("SELECT toInt64(count()) FROM system.parts WHERE database = currentDatabase()")), "parts")
		b.ReportMetric(float64(bench.number("SELECT toInt64(sum(bytes_on_disk)) FROM system.parts WHERE active"))/float64(t.pushes), "B/push")
	}
}

// traffic makes the log of pushes to as many devices as users.
type traffic struct {
	bench  *bench
	rate   int
	pushes int
	lots   [][]pushedAt // oldest first; each has reached one step more than the next
}

// pushedAt is a push whose place is known when its lot has been flushed.
type pushedAt struct {
	user     int
	id       schemas.ID
	at       int64
	position uint64
}

const (
	tick  = 10 * time.Millisecond
	users = 1_000
)

// run makes lots at a steady rate: each tick, one is accepted, the one before
// is sent, and the one before that ends.
func (t *traffic) run(d time.Duration) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < d; <-ticker.C {
		t.accept(t.rate * int(tick) / int(time.Second))
		if n := len(t.lots); n >= 2 {
			t.sent(t.lots[n-2])
		}
		if n := len(t.lots); n >= 4 {
			t.ended(t.lots[0])
			t.lots = t.lots[1:]
		}
		ctx := t.bench.t.Context()
		t.bench.must(t.bench.appender.Flush(ctx))
	}
}

// settle ends what is under way and waits until ClickHouse has it and merges
// no more.
func (t *traffic) settle() {
	for i, lot := range t.lots {
		if i == len(t.lots)-1 {
			t.sent(lot)
		}
		t.ended(lot)
	}
	t.lots = nil
	t.bench.must(t.bench.appender.Flush(t.bench.t.Context()))
	t.await("SELECT toInt64(sum(ended)) FROM funnel", int64(t.pushes))
	t.await("SELECT toInt64(count()) FROM hops", 5*int64(t.pushes))
	t.await("SELECT toInt64(count()) FROM system.merges", 0)
}

// await asks until the query counts want. No proxy tells of inserts here: it
// would cost too much.
func (t *traffic) await(query string, want int64) {
	t.bench.t.Helper()
	again := time.NewTicker(10 * tick)
	defer again.Stop()
	for began := time.Now(); t.bench.number(query) != want; <-again.C {
		if time.Since(began) > 30*time.Second {
			t.bench.t.Fatalf("%s: %d, want %d", query, t.bench.number(query), want)
		}
	}
}

func (t *traffic) accept(n int) {
	lot := make([]pushedAt, n)
	var all sync.WaitGroup
	for i := range lot {
		p := &lot[i]
		*p = pushedAt{user: t.pushes % users, id: schemas.NewID(time.Now()), at: time.Now().UnixMicro()}
		e := t.event(schemas.Kind_KIND_PUSHED, p, "ingest-1@host")
		e.Pushed = &schemas.Pushed{PushId: p.id[:], Family: 7, Command: 1, Body: body[:], Ttl: 60_000, Label: "load", Digest: 12345}
		all.Add(1)
		t.append(e, func(a eventlog.Appended, err error) {
			p.position = uint64(a.Position)
			all.Done()
		})
		t.pushes++
	}
	t.bench.must(t.bench.appender.Flush(t.bench.t.Context()))
	all.Wait()
	t.lots = append(t.lots, lot)
}

var body [200]byte

func (t *traffic) sent(lot []pushedAt) {
	for i := range lot {
		p := &lot[i]
		e := t.event(schemas.Kind_KIND_SENT, p, "gate-1@host")
		t.connect(e, p)
		e.Time += 10_000
		e.Sent = &schemas.Sent{Position: p.position, PushId: p.id[:], Attempt: 1, Dispatched: p.at + 5_000, DispatchedBy: "delivery-1@host"}
		t.append(e, nil)
	}
}

func (t *traffic) ended(lot []pushedAt) {
	for i := range lot {
		p := &lot[i]
		e := t.event(schemas.Kind_KIND_ACKED, p, "gate-1@host")
		t.connect(e, p)
		e.Time += 15_000
		e.Acked = &schemas.Acked{Cursor: p.position}
		t.append(e, nil)
		e = t.event(schemas.Kind_KIND_OUTCOME, p, "delivery-1@host")
		t.connect(e, p)
		e.Term, e.Time = 1, p.at+20_000
		e.Outcome = &schemas.Outcome{Position: p.position, PushId: p.id[:], Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED,
			Attempt: 1, Whole: true, Label: "load", Family: 7, Command: 1, Platform: "load",
			Steps: &schemas.Steps{Accepted: p.at, Dispatched: p.at + 5_000, Sent: p.at + 10_000, Delivered: p.at + 15_000}}
		t.append(e, nil)
	}
}

func (t *traffic) event(kind schemas.Kind, p *pushedAt, node string) *schemas.Event {
	return &schemas.Event{Kind: kind, TraceId: p.id[:], App: "load", User: fmt.Sprintf("user-%05d", p.user), Time: p.at, Node: node}
}

func (t *traffic) connect(e *schemas.Event, p *pushedAt) {
	session := schemas.NamedID("load", e.User, "session")
	e.Device, e.Session = "device-"+e.User[5:], session[:]
	e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 3, Number: uint64(p.user + 1)})
}

func (t *traffic) append(e *schemas.Event, done func(eventlog.Appended, error)) {
	value, err := e.MarshalVT()
	t.bench.must(err)
	t.bench.must(t.bench.appender.Append(eventlog.Record{Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User), Value: value}, done))
}

// process counts the CPU seconds of a process since the last reset.
type process struct {
	pid  string
	from float64
}

var own = &process{pid: "self"}

// childOf finds the child of this process whose command line has the word.
func childOf(t testing.TB, word string) *process {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skip("CPU seconds of a child are read from /proc")
	}
	for _, task := range tasks {
		children, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for _, pid := range strings.Fields(string(children)) {
			line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			if strings.Contains(string(line), word) {
				return &process{pid: pid}
			}
		}
	}
	t.Fatalf("no child with %q in its command line", word)
	return nil
}

func (p *process) reset() { p.from = p.total() }

func (p *process) seconds() float64 { return p.total() - p.from }

// ticksPerSecond is the kernel's unit in /proc, the same on all machines that
// matter.
const ticksPerSecond = 100

func (p *process) total() float64 {
	stat, _ := os.ReadFile("/proc/" + p.pid + "/stat")
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond
}
