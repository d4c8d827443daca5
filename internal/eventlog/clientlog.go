package eventlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// clientLog passes the client's warnings on. Its informational lines come once
// for each flush and each rebalance; they are of no use to an operator. While a
// broker is away the client warns at every try: one line in repeatAfter is
// passed on, the others at level debug.
type clientLog struct {
	log *slog.Logger

	mu   sync.Mutex
	said map[string]time.Time // by message and broker or group
}

func newClientLog(log *slog.Logger) *clientLog {
	return &clientLog{log: log, said: make(map[string]time.Time)}
}

const repeatAfter = 10 * time.Second

func (*clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (c *clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	at := slog.LevelWarn
	if level == kgo.LogLevelError {
		at = slog.LevelError
	}
	if c.repeats(msg + addrOf(keyvals)) {
		at = slog.LevelDebug
	}
	c.log.Log(context.Background(), at, "kafka client", append([]any{"what", msg}, keyvals...)...)
}

// addrOf is the broker that a line is about; empty when it is about none.
func addrOf(keyvals []any) string {
	for i := 0; i+1 < len(keyvals); i += 2 {
		if keyvals[i] == "addr" {
			addr, _ := keyvals[i+1].(string)
			return addr
		}
	}
	return ""
}

// repeats says whether the same was said a moment ago.
func (c *clientLog) repeats(what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.said[what]) < repeatAfter {
		return true
	}
	c.said[what] = time.Now()
	return false
}
