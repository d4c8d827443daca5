package delivery

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/jackc/pgx/v5/pgxpool"
)

// mailboxes writes n users into partition 0 as the projector would: a phone each
// with its session and one push that waits; connected ones have a route instead.
func mailboxes(b *testing.B, pool *pgxpool.Pool, n int, connected bool) {
	b.Helper()
	statements := []string{`DO $$ DECLARE c record; BEGIN -- no column is NULL
			FOR c IN SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema AND table_name <> 'goose_db_version' LOOP
				EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT %L', c.table_name, c.column_name, CASE c.data_type
					WHEN 'text' THEN '' WHEN 'bytea' THEN '' WHEN 'uuid' THEN '00000000-0000-0000-0000-000000000000' WHEN 'ARRAY' THEN '{}' ELSE '0' END);
			END LOOP; END $$`}
	insert := func(table, columns, values string) {
		statements = append(statements, fmt.Sprintf(
			"INSERT INTO %s (app, user_name, %s) SELECT 'freight', 'driver-' || i, %s FROM generate_series(1, %d) i", table, columns, values, n))
	}
	insert("devices", "device, progress, resumed", "'phone', 1700000000000000 + i, true")
	insert("sessions", "live, login_at, platform, session", "true, i, 'android', md5(i::text)::uuid")
	if connected {
		insert("routes", "gate, incarnation, connection, resume_at", "1, 1, i, i")
	} else {
		insert("pending_pushes", "position, since, dead, unreached, body", "i, 1700000000000000, 1800000000000000, true, repeat('x', 200)::bytea")
		insert("debts", "position, owed", "i, true")
	}
	statements = append(statements, fmt.Sprintf("INSERT INTO projection (topic, next) VALUES ('waybill.events', %d)", n+1), "ANALYZE")
	for _, sql := range statements {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatalf("%v: %s", err, sql)
		}
	}
}

// BenchmarkTakeover is what stands between a partition's assignment and its first
// command: 100,000 mailboxes from Postgres, the claim read, everybody looked at.
func BenchmarkTakeover(b *testing.B) {
	const n = 100_000
	for _, connected := range []bool{false, true} {
		b.Run(fmt.Sprintf("connected=%v", connected), func(b *testing.B) {
			pool := pgtest.Pool(b, pgtest.Migrated(b)+"&pool_max_conns=1")
			mailboxes(b, pool, n, connected)
			b.ResetTimer()
			ours, theirs := cpu(b, "self"), cpu(b, backend(b, pool))
			for range b.N {
				takeOver(b, pool, n, connected)
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/takeover")
			b.ReportMetric((cpu(b, "self")-ours)/float64(b.N), "cpu-s/takeover")
			b.ReportMetric((cpu(b, backend(b, pool))-theirs)/float64(b.N), "postgres-cpu-s/takeover")
		})
	}
}

// backend is the process that answers the pool's one connection.
func backend(b *testing.B, pool *pgxpool.Pool) (pid string) {
	if err := pool.QueryRow(b.Context(), "SELECT pg_backend_pid()::text").Scan(&pid); err != nil {
		b.Fatal(err)
	}
	return pid
}

// cpu is what a process has used, in seconds.
func cpu(b *testing.B, pid string) float64 {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		b.Skip("processes' times are read from /proc")
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
	user, _ := strconv.ParseFloat(fields[12], 64)
	system, _ := strconv.ParseFloat(fields[13], 64)
	return (user + system) / 100
}

func takeOver(b *testing.B, pool *pgxpool.Pool, n int64, connected bool) {
	s, err := snapshot.LoadPresent(context.Background(), pool, eventlog.EventsTopic, 0, Defaults().Mailbox)
	if err != nil {
		b.Fatal(err)
	}
	c := NewCore(Defaults(), schemas.ID{1}, s.State, schemas.At(0, s.Next-1))
	self := schemas.ID{1}
	c.Apply(schemas.At(0, s.Next), 1_700_000_100_000_000, &schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: self[:]}})
	decisions, commands := c.Take()
	if present, absent := len(s.State.Users), s.State.Absent(); present+absent != int(n) || (present == 0) == connected || len(decisions)+len(commands) > 0 {
		b.Fatalf("%d are present, %d absent; %d decisions, %d commands", present, absent, len(decisions), len(commands))
	}
}

// BenchmarkIdleMailboxes is the memory of users who are away: each logged in, was
// pushed to, and left memory once the rows had it. One operation is a mailbox.
func BenchmarkIdleMailboxes(b *testing.B) {
	for _, ids := range []int{0, 1} {
		b.Run(fmt.Sprintf("ids=%d", ids), func(b *testing.B) {
			before, set := heapInUse(), Defaults()
			set.Policy.UnreachedAfter = 0
			c := newCore(set)
			l := &line{core: c, now: 1_700_000_000_000_000}
			l.claim()
			for i := range b.N {
				l.goIdle(i, ids)
				if i%1000 == 999 || i == b.N-1 {
					c.Take()
					l.now += 2 * time.Minute.Microseconds()
					c.Evict(l.now, l.pos, 2000)
				}
			}
			b.StopTimer()
			used := heapInUse() - before
			if c.State().Absent() != b.N {
				b.Fatalf("%d of %d are absent", c.State().Absent(), b.N)
			}
			b.ReportMetric(float64(used)/float64(b.N), "heap-B/mailbox")
			b.ReportMetric(float64(used)/1e6, "heap-MB")
			runtime.KeepAlive(l)
		})
	}
}

// heapInUse is what is left after a collection.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// goIdle is a user's day: a login, a push that waits, and the end of the route.
func (l *line) goIdle(i, ids int) {
	user := fmt.Sprintf("driver-%07d", i)
	session := schemas.ID{0: 1, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
	for _, e := range []*schemas.Event{
		{Kind: schemas.Kind_KIND_CONNECTED, Session: session[:], Connected: &schemas.Connected{Login: true, Count: 1, Platform: "android"}},
		{Kind: schemas.Kind_KIND_DISCONNECTED, Disconnected: &schemas.Disconnected{Reason: schemas.Reason_REASON_PEER_CLOSED}},
		{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{PushId: session[:], Name: "order"[:5*ids], Body: make([]byte, 200), Ttl: 86_400_000}},
	} {
		e.App, e.User, e.Device = "freight", user, "phone"
		if e.Kind == schemas.Kind_KIND_PUSHED {
			e.Device = ""
		} else {
			e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 1, Number: uint64(i + 1)})
		}
		l.apply(e)
	}
}

// BenchmarkReturn reads 500 users again, of 100,000: what one answer brings. One
// operation is a user.
func BenchmarkReturn(b *testing.B) {
	const n, each = 100_000, 500
	pool := pgtest.Pool(b, pgtest.Migrated(b))
	mailboxes(b, pool, n, false)
	b.ResetTimer()
	for i := 0; i < b.N; i += each {
		var wants []mailbox.Want
		for j := range each {
			wants = append(wants, mailbox.Want{Key: fmt.Sprintf("freight/driver-%d", 1+(i+j*97)%n), From: n + 2})
		}
		users, err := snapshot.LoadUsers(b.Context(), pool, eventlog.EventsTopic, 0, wants)
		if err != nil {
			b.Fatal(err)
		}
		if len(users.Rows) != each || len(users.Rows[7].User.Pushes) != 1 {
			b.Fatalf("%d users", len(users.Rows))
		}
	}
}
