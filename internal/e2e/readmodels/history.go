package readmodels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/ledger"
)

// History holds ClickHouse's rows against the log: so many of each kind, and
// none twice.
type History struct{ hops, connections map[string]counted }

// counted are the rows of one kind, and how many of them tell different things.
type counted struct{ all, distinct int }

// HistoryOf is what ClickHouse must have once it has all that the ledger has.
func HistoryOf(l *ledger.Ledger) History {
	return History{each(l.Rows.Hops), each(l.Rows.Connections)}
}

func each(kinds map[string]int) map[string]counted {
	m := make(map[string]counted)
	for kind, n := range kinds {
		m[kind] = counted{n, n}
	}
	return m
}

// Await waits until the database behind the DSN (http://user:password@host/name)
// has these rows and no others.
func (want History) Await(ctx context.Context, dsn string) error {
	return bell.Poll(ctx, "the history to have what the log has", func() error {
		got, err := recall(ctx, dsn)
		if err != nil {
			return err
		}
		return want.differs(got)
	})
}

// differs says all that is not as wanted.
func (want History) differs(got History) error {
	return errors.Join(differ("hops", want.hops, got.hops), differ("connections", want.connections, got.connections))
}

func differ(table string, want, got map[string]counted) error {
	var wrong []string
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		if w, g := want[kind], got[kind]; w != g {
			wrong = append(wrong, fmt.Sprintf("%s %s: %d rows, %d of them distinct, want %d", kind, table, g.all, g.distinct, w.all))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(got)) {
		if _, known := want[kind]; !known {
			wrong = append(wrong, fmt.Sprintf("%s %s: %d rows, want none", kind, table, got[kind].all))
		}
	}
	if wrong == nil {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

// One record of the log makes at most one row of a kind: rows are the same when
// record, trace and push are.
const countRows = `
SELECT 'hops', kind, count(), uniqExact(trace_id, position, partition, place) FROM hops GROUP BY kind
UNION ALL
SELECT 'connections', kind, count(), uniqExact(partition, place) FROM connections GROUP BY kind
FORMAT TabSeparated`

// recall what is there now.
func recall(ctx context.Context, dsn string) (History, error) {
	b, err := query(ctx, dsn, countRows)
	if err != nil {
		return History{}, fmt.Errorf("ask for the history: %w", err)
	}
	h := History{make(map[string]counted), make(map[string]counted)}
	for line := range strings.Lines(b) {
		var table, kind string
		var n counted
		if _, err := fmt.Sscanf(line, "%s\t%s\t%d\t%d\n", &table, &kind, &n.all, &n.distinct); err != nil {
			return History{}, fmt.Errorf("read the history: %q: %w", line, err)
		}
		switch table {
		case "hops":
			h.hops[kind] = n
		case "connections":
			h.connections[kind] = n
		}
	}
	return h, nil
}

// query asks by HTTP, as any client of ClickHouse can.
func query(ctx context.Context, dsn, sql string) (string, error) {
	at, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	at.RawQuery = url.Values{"database": {strings.TrimPrefix(at.Path, "/")}}.Encode()
	at.Path = "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	req.Close = true // no connection outlives the test
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", resp.Status, b)
	}
	return string(b), err
}
