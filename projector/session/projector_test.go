package session

import (
	"sync/atomic"
	"testing"
	"time"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
)

func (w *world) checksum() string {
	w.t.Helper()
	sum, err := snapshot.Checksum(within(w.t), pgtest.Pool(w.t, w.dsn))
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

// TestReplayGivesTheSameRows drops the tables and projects the same log again.
func TestReplayGivesTheSameRows(t *testing.T) {
	const partitions = 3
	w := newWorld(t, partitions)
	log := mailboxtest.NewLog(1)
	log.Users = 12
	w.random(log, 1000)
	p := w.prepare().start()
	w.random(log, 1000) // while it runs
	for i := range int32(partitions) {
		_, next := w.fold(i)
		p.until(i, next)
	}
	p.end()
	pool := pgtest.Pool(t, w.dsn)
	for i := range int32(partitions) {
		w.agrees(pool, i)
	}
	before := w.checksum()

	pgtest.Empty(t, w.dsn)
	if w.checksum() == before {
		t.Fatal("the checksum does not see that the tables are empty")
	}
	again := w.prepare().start()
	for i := range int32(partitions) {
		_, next := w.fold(i)
		again.until(i, next)
	}
	again.end()
	if after := w.checksum(); after != before {
		t.Errorf("checksum %s, before the replay %s", after, before)
	}
}

// TestTablesDroppedWhileItRuns: the projector waits for tables, sees that they
// are empty, and begins anew.
func TestTablesDroppedWhileItRuns(t *testing.T) {
	w := newWorld(t, 1)
	log := mailboxtest.NewLog(7)
	w.random(log, 300)
	p := w.prepare().start()
	_, next := w.fold(0)
	p.until(0, next)
	pgtest.Empty(t, w.dsn)
	w.random(log, 300)
	_, next = w.fold(0)
	p.until(0, next)
	p.end()
	w.agrees(pgtest.Pool(t, w.dsn), 0)
}

// TestLogBegunAnew: the broker's directory was lost, Postgres' was not.
func TestLogBegunAnew(t *testing.T) {
	old := newWorld(t, 1)
	old.random(mailboxtest.NewLog(8), 400)
	p := old.prepare().start()
	_, next := old.fold(0)
	p.until(0, next)
	p.end()

	w := newLog(t, 1)
	w.dsn = old.dsn
	w.random(mailboxtest.NewLog(9), 200)
	p = w.prepare().start()
	p.said.until("the log ends before the rows: they are dropped, and what it holds is projected anew")
	_, next = w.fold(0)
	p.until(0, next)
	p.end()
	w.agrees(pgtest.Pool(t, w.dsn), 0)
}

// TestKilledBeforeCommit kills the projector between its work and the commit,
// again and again; each time another one goes on.
func TestKilledBeforeCommit(t *testing.T) {
	w := newWorld(t, 1)
	log := mailboxtest.NewLog(2)
	pool := pgtest.Pool(t, w.dsn)
	for range 4 {
		w.random(log, 300)
		p := w.prepare()
		killed := make(chan struct{})
		p.hooks.beforeCommit = func(*snapshot.Cut) error {
			select {
			case <-killed:
			default:
				close(killed)
			}
			return errKilled
		}
		p.start()
		<-killed
		p.end()
		if p.stored > 0 {
			t.Fatal("something was stored by the one that was killed")
		}
		w.random(log, 100)
		p = w.prepare().start()
		_, next := w.fold(0)
		p.until(0, next)
		p.end()
		w.agrees(pool, 0)
	}
}

// TestZombie holds one projector before its commit while another one overtakes
// it. The first one's transaction has the fence, so the second waits for it; a
// cut that was made and not yet begun is refused.
func TestZombie(t *testing.T) {
	w := newWorld(t, 1)
	log := mailboxtest.NewLog(3)
	w.random(log, 300)
	zombie, owner := w.prepare(), w.prepare()
	zombie.group = "another-group" // so that both are given the partition
	asleep, awake := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	zombie.hooks.stored = func(c *snapshot.Cut) {
		if once.CompareAndSwap(false, true) {
			close(asleep)
			<-awake
		}
		zombie.flushed(c)
	}
	zombie.start()
	<-asleep
	owner.start()
	w.random(log, 300)
	_, next := w.fold(0)
	owner.until(0, next)
	owner.end()

	w.random(log, 300)
	close(awake)
	_, next = w.fold(0)
	zombie.until(0, next) // it was refused, has loaded anew, and gone on
	zombie.end()
	w.agrees(pgtest.Pool(t, w.dsn), 0)
	if n, _ := zombie.said.count("projecting a partition"); n != 2 {
		t.Errorf("the zombie began %d times, want 2", n)
	}
}

// TestTwoAtOnce lets two projectors work on one partition all the time.
func TestTwoAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	log := mailboxtest.NewLog(4)
	a, b := w.prepare(), w.prepare()
	b.group = "another-group"
	b.hooks.stored = a.flushed // either may be the one that stores the last event
	a.start()
	b.start()
	for range 20 {
		w.random(log, 50)
	}
	_, next := w.fold(0)
	a.until(0, next)
	a.end()
	b.end()
	w.agrees(pgtest.Pool(t, w.dsn), 0)
}

// TestPostgresAwayAndBack begins without Postgres, and loses it once more.
func TestPostgresAwayAndBack(t *testing.T) {
	dir := t.TempDir()
	server := startPostgres(t, dir)
	w := newLog(t, 1)
	w.dsn = server.DSN()
	pgtest.Migrate(t, w.dsn)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	log := mailboxtest.NewLog(5)
	w.random(log, 300)
	p := w.prepare().start()
	p.said.until("waiting for postgres: nothing is read meanwhile")

	server = startPostgres(t, dir)
	p.said.until("postgres is back")
	_, next := w.fold(0)
	p.until(0, next)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	w.random(log, 300)

	server = startPostgres(t, dir)
	_, next = w.fold(0)
	p.until(0, next)
	p.end()
	w.agrees(pgtest.Pool(t, w.dsn), 0)
	if n, _ := p.said.count("waiting for postgres: nothing is read meanwhile"); n > 2 {
		t.Errorf("said %d times that Postgres is away, which happened twice", n)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
}

func startPostgres(t *testing.T, dir string) *engine.Postgres {
	t.Helper()
	server, err := engine.StartPostgres(within(t), engine.PostgresConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// TestLastFlush: what was folded is stored when the projector is stopped.
func TestLastFlush(t *testing.T) {
	w := newWorld(t, 1)
	w.random(mailboxtest.NewLog(6), 200)
	_, next := w.fold(0)
	p := w.prepare()
	p.cfg.Flush = time.Hour // by no timer
	folded := make(chan struct{})
	p.hooks.folded = func(to int64) {
		if to == next {
			close(folded)
		}
	}
	p.start()
	<-folded
	p.end()
	w.agrees(pgtest.Pool(t, w.dsn), 0)
}

func TestConfig(t *testing.T) {
	log := &eventlog.Log{}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no log":        {Config{DSN: "postgres://x/y"}, "new session projector: no log"},
		"slow":          {Config{Log: log, Flush: time.Second}, "new session projector: flush is 1s: more than 0 and at most 500ms is allowed"},
		"no events":     {Config{Log: log, Events: -1}, "new session projector: events is -1: at least 1 is allowed"},
		"all defaulted": {Config{Log: log, DSN: "postgres://x/y"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.cfg)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
