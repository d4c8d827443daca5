package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/control"
	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/internal/pgtest"
	"waybill/migrations"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	os.Exit(pgtest.Main(m))
}

// lackOf looks once.
func lackOf(t *testing.T, b Base, n needs) string {
	t.Helper()
	probes, closers, err := n.probes(b)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, l := range look(t.Context(), probes) {
		words = append(words, l.words)
	}
	for _, end := range closers {
		end()
	}
	return strings.Join(words, "; ")
}

func TestPostgresLacks(t *testing.T) {
	dsn := pgtest.Schema(t)
	b := Base{Addresses: Addresses{Postgres: dsn}}
	wants := func(n presence, want string) {
		t.Helper()
		if got := lackOf(t, b, needs{postgres: n}); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	wants(answering, "")
	wants(migrated, "has no tables: `waybill migrate` makes them")
	pgtest.Migrate(t, dsn)
	wants(migrated, "")
	pool := pgtest.Pool(t, dsn)
	if _, err := pool.Exec(t.Context(), "DELETE FROM "+migrations.VersionTable+" WHERE version_id > 1"); err != nil {
		t.Fatal(err)
	}
	wants(migrated, "has version 1 of the tables, this binary needs ")
	b.Postgres = strings.Replace(dsn, "/postgres?", "/nothing?", 1)
	wants(answering, `does not answer (database "nothing" does not exist)`)
}

func TestClickHouseLacks(t *testing.T) {
	ch, err := engine.StartClickHouse(t.Context(), engine.ClickHouseConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	b := Base{Addresses: Addresses{ClickHouse: ch.DSN()}}
	wants := func(n presence, want string) {
		t.Helper()
		if got := lackOf(t, b, needs{clickhouse: n}); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	wants(answering, "")
	wants(migrated, "has no tables: `waybill migrate` makes them")
	db, err := sql.Open("clickhouse", ch.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := migrations.ClickHouse(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	wants(migrated, "")
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	wants(answering, "does not answer (connection refused)")
}

func TestKafkaLacks(t *testing.T) {
	k, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	at := k.Addrs()[0]
	b := Base{Addresses: Addresses{Kafka: k.Addrs()}}
	if got := lackOf(t, b, needs{kafka: true}); got != "" {
		t.Errorf("a broker that answers: %q", got)
	}
	topics := needs{topics: []string{eventlog.EventsTopic, eventlog.GatesTopic}}
	if got, want := lackOf(t, b, topics), "Kafka at "+at+" has no topic waybill.events, waybill.gates: `waybill migrate` makes it"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// What listens and is no broker is said to be that.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.Kafka = []string{l.Addr().String()}
	if got := lackOf(t, b, needs{kafka: true}); !strings.Contains(got, "it takes connections, but does not answer as a broker") {
		t.Errorf("%q", got)
	}
}

// TestBadAddress is no reason to wait.
func TestBadAddress(t *testing.T) {
	for _, b := range []Base{
		{Addresses: Addresses{Postgres: "postgres://user:secret@h:port/db"}},
		{Addresses: Addresses{ClickHouse: "nonsense"}},
	} {
		n := needs{}
		if b.Postgres != "" {
			n.postgres = migrated
		} else {
			n.clickhouse = migrated
		}
		err := await(t.Context(), b, n, slog.New(slog.DiscardHandler), func(string) {})
		if err == nil || !strings.Contains(err.Error(), "read the address of") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
}

// TestSpeaker says what is new at once, and the same every ten seconds.
func TestSpeaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var shown string
		s := speaker{log: slog.New(slog.NewTextHandler(&out, nil)), show: func(words string) { shown = words }}
		said := func(want int) {
			t.Helper()
			if got := strings.Count(out.String(), "\n"); got != want {
				t.Errorf("%d lines, want %d:\n%s", got, want, out.String())
			}
		}
		kafka, topics := lack{"kafka", "Kafka is away"}, lack{"topics", "no topics"}
		s.say([]lack{kafka})
		said(1)
		time.Sleep(9 * time.Second)
		kafka.words = "Kafka is away in another way"
		s.say([]lack{kafka})
		said(1)
		if shown != kafka.words {
			t.Errorf("%q is shown", shown)
		}
		time.Sleep(time.Second)
		s.say([]lack{kafka})
		said(2)
		s.say([]lack{topics})
		said(3)
		s.say(nil)
		said(3)
		if shown != "" {
			t.Errorf("%q is shown", shown)
		}
	})
}

// TestStanding goes from starting by waiting to working, draining and ended.
func TestStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready, drained := make(chan struct{}), make(chan struct{})
		s := &Stage{Name: "gate-1@h", base: Base{Logger: slog.New(slog.DiscardHandler)}, ready: ready}
		s.parts = append(s.parts, func(ctx context.Context) error {
			<-ctx.Done()
			<-drained
			return nil
		})
		r := s.Start(t.Context())
		stands := func(want error) {
			t.Helper()
			synctest.Wait()
			if err := r.Standing(); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		stands(errStarting)
		close(ready)
		stands(nil)
		s.waits.show("Kafka")
		if err := r.Standing(); err == nil || err.Error() != "waits for this: Kafka" {
			t.Errorf("while it waits: %v", err)
		}
		s.waits.show("")
		go r.Stop()
		stands(errDraining)
		close(drained)
		stands(errEnded)
	})
}

// TestPermanent: what the next try would find again is not tried again.
func TestPermanent(t *testing.T) {
	for err, want := range map[error]bool{
		eventlog.ErrTopicDiffers: true,
		control.ErrKeyTaken:      true,
		eventlog.ErrBusy:         false,
		net.ErrClosed:            false,
	} {
		if permanent(err) != want {
			t.Errorf("%v: %t", err, !want)
		}
	}
}

// TestInsist: a step is tried again while its engine cannot do it yet, as long
// as there is patience; a mistake is not.
func TestInsist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Base{Logger: slog.New(slog.DiscardHandler)}
		var answers []error
		s := step{what: "topics", do: func(context.Context) (err error) {
			err, answers = answers[0], answers[1:]
			return err
		}}
		for _, c := range []struct {
			answers []error
			want    error
		}{
			{[]error{nil}, nil},
			{[]error{eventlog.ErrBusy, eventlog.ErrBusy, nil}, nil},
			{[]error{eventlog.ErrBusy, eventlog.ErrTopicDiffers}, eventlog.ErrTopicDiffers},
			{slices.Repeat([]error{eventlog.ErrBusy}, 1000), eventlog.ErrBusy},
		} {
			waiting, cancel := context.WithTimeout(t.Context(), time.Minute)
			answers = c.answers
			if err := s.insist(t.Context(), waiting, b); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			cancel()
		}
	})
}
