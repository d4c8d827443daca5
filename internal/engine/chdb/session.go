package chdb

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A session keeps one connection in a known state between requests: HTTP has no
// sessions here, so nothing that one request sets may be seen by the next.
type session struct {
	conn     *Conn
	limit    int // seconds that a query may take
	database string
}

func newSession(conn *Conn, limit time.Duration) (*session, error) {
	s := &session{conn: conn, limit: max(1, int(limit.Seconds())), database: defaultDatabase}
	if err := conn.Exec(s.limitStatement()); err != nil {
		return nil, fmt.Errorf("limit queries: %w", err)
	}
	return s, nil
}

func (s *session) limitStatement() string { return fmt.Sprintf("SET %s = %d", limitSetting, s.limit) }

// run applies the request's database and settings, runs it and takes the
// settings back.
func (s *session) run(q *request, use func([]byte) error) error {
	if q.isSessionOnly() {
		return use(nil)
	}
	if q.database != s.database {
		if err := s.conn.Exec("USE " + quoteName(q.database)); err != nil {
			return err
		}
		s.database = q.database
	}
	if len(q.settings) > 0 {
		if err := s.set(q.settings); err != nil {
			return err
		}
		defer s.reset(q.settings)
	}
	text, err := q.statement()
	if err != nil {
		return err
	}
	return s.conn.Query(Query{Text: text, Format: q.format, Params: q.params}, use)
}

func (s *session) set(settings []setting) error {
	assignments := make([]string, len(settings))
	for i, set := range settings {
		if set.name == limitSetting {
			set.value = s.bounded(set.value)
		}
		assignments[i] = set.name + " = " + quoteText(set.value)
	}
	return s.conn.Exec("SET " + strings.Join(assignments, ", "))
}

// reset cannot fail for a setting that set has just accepted.
func (s *session) reset(settings []setting) {
	assignments := make([]string, len(settings))
	for i, set := range settings {
		assignments[i] = set.name + " = DEFAULT"
	}
	_ = s.conn.Exec("SET " + strings.Join(assignments, ", "))
	_ = s.conn.Exec(s.limitStatement())
}

// bounded is the time limit that a request may have: its own, if that is
// shorter. 0 means "without a limit" to the engine.
func (s *session) bounded(value string) string {
	asked, err := strconv.ParseFloat(value, 64)
	if within := asked > 0 && asked <= float64(s.limit); err != nil || !within {
		return strconv.Itoa(s.limit)
	}
	return strconv.Itoa(int(math.Ceil(asked)))
}

// limitSetting is the engine's name of the time limit, in seconds.
const limitSetting = "max_execution_time"

func quoteText(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

func quoteName(v string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(v) + "`"
}
