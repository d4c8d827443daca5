package eventlog

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// clientLog passes the client's warnings on. Its informational lines come once
// for each flush and each rebalance; they are of no use to an operator.
type clientLog struct{ log *slog.Logger }

func (clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (c clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	at := slog.LevelWarn
	if level == kgo.LogLevelError {
		at = slog.LevelError
	}
	c.log.Log(context.Background(), at, "kafka client", append([]any{"what", msg}, keyvals...)...)
}
