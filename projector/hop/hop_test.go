package hop_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"waybill/projector/hop"
	"waybill/schemas"
)

func (b *bench) now() time.Time { return time.Now() }

func TestRowsEqualTheLog(t *testing.T) {
	b := newBench(t)
	l := b.write(0, 100)
	uplinked := b.event(1, schemas.Kind_KIND_UPLINKED, b.began())
	uplinked.Uplinked = &schemas.Uplinked{Family: 7, Size: 4}
	b.append(uplinked)
	l.hops++
	b.start(nil)
	b.check(l)
	l = l.plus(b.write(100, 100))
	b.check(l)
	if n := b.number("SELECT toInt64(count()) FROM hops WHERE kind = 'uplinked' AND topic = 'waybill.uplink.freight' AND position > 0 AND size = 4"); n != 1 {
		t.Errorf("%d hops of the uplink, want 1", n)
	}
	if n := b.number("SELECT toInt64(count()) FROM funnel WHERE reason = 'expired' AND class = 'lost' AND minute > now() - 600"); n == 0 {
		t.Error("the funnel has no reason for what was lost")
	}
}

// A hop is the same whether a push's row tells it or a row of its own: the log
// of one is cut between the pushes and their ends, that of the other is not.
func TestTheViewTellsTheSameHops(t *testing.T) {
	joined, cut := newBench(t), newBench(t)
	began := joined.began()
	l := joined.writeAt(began, 0, 40, func() {})
	joined.start(nil)
	joined.check(l)
	cut.start(nil)
	cut.check(cut.writeAt(began, 0, 40, func() { cut.await("SELECT toInt64(count()) FROM hops", 40) }))
	if few, many := joined.number("SELECT toInt64(count()) FROM hop_rows"), cut.number("SELECT toInt64(count()) FROM hop_rows"); few >= many {
		t.Errorf("%d hops have rows of their own where the log is not cut, %d where it is", few, many)
	}
	const all = "SELECT arrayStringConcat(groupArray(toString(tuple(*))), '\n') FROM (SELECT * FROM hops ORDER BY trace_id, position, rank)"
	if diff := gocmp.Diff(strings.Split(cut.text(all), "\n"), strings.Split(joined.text(all), "\n")); diff != "" {
		t.Errorf("hops (-cut +not cut):\n%s", diff)
	}
}

// A decision of a worker that has been overtaken is none.
func TestOldTermsDecideNothing(t *testing.T) {
	b := newBench(t)
	l := b.write(1, 1)
	e := b.event(1, schemas.Kind_KIND_CLAIMED, b.began())
	e.Claimed = &schemas.Claimed{}
	b.append(e)
	late := b.event(1, schemas.Kind_KIND_OUTCOME, b.began())
	late.Term, late.Outcome = 1, &schemas.Outcome{Position: 1, Class: schemas.Class_CLASS_LOST}
	b.append(late)
	l = l.plus(b.write(8, 1))
	b.start(nil)
	b.check(l)
}

// Killed after the cut was stored and before, while or after it was inserted:
// the next projector repeats exactly that cut, though the log has grown.
func TestACutInDoubtIsRepeated(t *testing.T) {
	for name, what := range map[string]fault{"before the insert": refused, "after the insert": answered} {
		for _, table := range []string{"hop_rows", "connections", "pushes"} {
			t.Run(name+" of "+table, func(t *testing.T) { testCutInDoubt(t, what, table) })
		}
	}
}

func testCutInDoubt(t *testing.T, what fault, table string) {
	b := newBench(t)
	l := b.write(0, 50)
	stuck := make(chan struct{})
	once := sync.OnceFunc(func() { close(stuck) })
	b.proxy.set(func(i insert) fault {
		if i.table != table {
			return passes
		}
		once()
		return what
	})
	stop := b.start(nil)
	<-stuck
	stop()
	before := b.proxy.seen()
	b.proxy.set(nil)
	l = l.plus(b.write(50, 50))
	b.start(func(cfg *hop.Config) { cfg.Flush = 200 * time.Millisecond })
	b.check(l)
	last := before[len(before)-1]
	if after := b.proxy.seen(); after[0] != last {
		t.Errorf("the flush %s was in doubt; first came %s", last, after[0])
	}
}

// A flush in doubt has partitions that belong to several projectors when they
// come back: each makes it again, whole.
func TestAFlushInDoubtIsRepeatedByOthers(t *testing.T) {
	for name, what := range map[string]fault{"before the insert": refused, "after the insert": answered} {
		t.Run(name, func(t *testing.T) { testRepeatedByOthers(t, what) })
	}
}

func testRepeatedByOthers(t *testing.T, what fault) {
	b := newBenchOf(t, 4)
	l := b.write(0, 200)
	stuck := make(chan struct{})
	once := sync.OnceFunc(func() { close(stuck) })
	b.proxy.set(func(i insert) fault {
		if i.table != "pushes" {
			return passes
		}
		once()
		return what
	})
	stop := b.start(func(cfg *hop.Config) { cfg.Flush = 200 * time.Millisecond })
	<-stuck
	stop()
	b.proxy.set(nil)
	l = l.plus(b.write(200, 100))
	for range 3 {
		b.start(nil)
	}
	b.check(l)
	l = l.plus(b.write(300, 100))
	b.check(l)
}

func TestTwoProjectorsLeaveNoDuplicates(t *testing.T) {
	b := newBench(t)
	l := b.write(0, 100)
	b.start(nil)
	stop := b.start(nil)
	l = l.plus(b.write(100, 100))
	b.check(l)
	stop()
	l = l.plus(b.write(200, 100))
	b.start(nil)
	l = l.plus(b.write(300, 100))
	b.check(l)
}

// What it says goes to whoever stands before the pages: once, not each second.
func TestClickHouseAwayIsSaidOnce(t *testing.T) {
	b := newBench(t)
	var said lines
	tries := make(chan struct{}, 100)
	b.proxy.set(func(insert) fault {
		tries <- struct{}{}
		return refused
	})
	b.start(func(cfg *hop.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&said, nil)) })
	l := b.write(0, 20)
	for range 5 {
		<-tries
	}
	b.proxy.set(nil)
	b.check(l)
	if got := said.count("clickhouse takes no rows"); got != 1 {
		t.Errorf("said %d times that it is away, want once:\n%s", got, said.text())
	}
}

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(s string) int { return strings.Count(l.text(), s) }
