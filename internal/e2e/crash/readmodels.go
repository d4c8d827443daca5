package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"waybill/console"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// poll asks until there is no error: for what nobody rings a bell for, such as
// the rows of a database.
func poll(ctx context.Context, what string, question func() error) error {
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := question()
		if err == nil {
			return nil
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, err, context.Cause(ctx))
		}
	}
}

// expected is the funnel as the ledger has it, in the console's words.
func expected(l *ledger.Ledger) map[string]int {
	want := map[string]int{"accepted": len(l.Order), "in flight": l.Unended}
	for _, at := range l.Order {
		for _, end := range l.Pushes[at].Whole {
			want[end.Class.Word()+"/"+end.Reason.Word()]++
			if end.Dispatched {
				want["dispatched"]++
			}
			if end.Sent {
				want["sent"]++
			}
			if end.Class == schemas.Class_CLASS_DELIVERED {
				want["delivered"]++
			}
		}
	}
	return want
}

// funnel is what the console counts.
func (s *site) funnel(ctx context.Context) (map[string]int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://"+s.at(portConsole)+"/v1/funnel?"+url.Values{"app": {s.app.Name}}.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, errors.Join(err, fmt.Errorf("the funnel: %s: %.300s", resp.Status, b))
	}
	var f console.Funnel
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	got := map[string]int{
		"accepted": int(f.Total.Accepted), "dispatched": int(f.Total.Dispatched), "sent": int(f.Total.Sent),
		"delivered": int(f.Total.Delivered), "in flight": int(f.Total.InFlight),
	}
	for _, e := range f.Endings {
		got[e.Class+"/"+e.Reason] += int(e.Count)
	}
	return got, nil
}

// differ says where two counts are not the same.
func differ(got, want map[string]int) error {
	var wrong []string
	for k, n := range want {
		if got[k] != n {
			wrong = append(wrong, fmt.Sprintf("%s: %d, want %d", k, got[k], n))
		}
	}
	for k, n := range got {
		if _, ok := want[k]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s: %d, want none", k, n))
		}
	}
	if wrong == nil {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

// checkFunnel waits until the funnel says what the log says.
func (r *run) checkFunnel(ctx context.Context, l *ledger.Ledger) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	want := expected(l)
	return poll(ctx, "the funnel to say what the log says", func() error {
		got, err := r.site.funnel(ctx)
		if err != nil {
			return err
		}
		return differ(got, want)
	})
}

// checkReplay stops everybody who writes, drops the tables of Postgres, and lets
// the projectors read the log again: the rows must be the same.
func (r *run) checkReplay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.halt("gate", "delivery"); err != nil {
		return err
	}
	before, err := r.settledChecksum(ctx)
	if err != nil {
		return err
	}
	if err := r.halt("projector"); err != nil {
		return err
	}
	if err := dropTables(ctx, r.site.postgres.server.DSN()); err != nil {
		return err
	}
	if err := r.site.migrate(ctx); err != nil {
		return err
	}
	for _, name := range []string{"projector-1", "projector-2"} {
		if err := r.site.find(name).start(); err != nil {
			return err
		}
	}
	after, err := r.settledChecksum(ctx)
	if err == nil && after != before {
		err = fmt.Errorf("after a replay the checksum is %s, it was %s", after, before)
	}
	return err
}

// halt asks all processes of these stages to end, and they must end well.
func (r *run) halt(stages ...string) error {
	g := new(errgroup.Group)
	for _, stage := range stages {
		for n := 1; n <= 2; n++ {
			g.Go(func() error { return r.site.find(fmt.Sprintf("%s-%d", stage, n)).end(syscall.SIGTERM, 30*time.Second) })
		}
	}
	return g.Wait()
}

// settledChecksum waits until the projection is at the log's end.
func (r *run) settledChecksum(ctx context.Context) (string, error) {
	pool, err := pgxpool.New(ctx, r.site.postgres.server.DSN())
	if err != nil {
		return "", err
	}
	defer pool.Close()
	ends, err := ledger.Ends(ctx, r.log)
	if err != nil {
		return "", err
	}
	err = poll(ctx, "the projection to reach the log's end", func() error {
		for partition, end := range ends {
			var next int64
			err := pool.QueryRow(ctx, "SELECT next FROM projection WHERE topic = $1 AND partition = $2",
				eventlog.EventsTopic, partition).Scan(&next)
			if errors.Is(err, pgx.ErrNoRows) && end == 0 {
				continue
			}
			if err != nil {
				return err
			}
			if next < end {
				return fmt.Errorf("partition %d is projected up to %d of %d", partition, next, end)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return snapshot.Checksum(ctx, pool)
}

// dropTables makes the read model of Postgres as if it had never been there.
func dropTables(ctx context.Context, dsn string) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	return errors.Join(err, c.Close(ctx))
}
