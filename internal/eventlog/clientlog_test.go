package eventlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestClientLogRepeatsItselfSeldom: one line for each broker that is away, and
// another one when it is still away ten seconds later.
func TestClientLogRepeatsItselfSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := newClientLog(slog.New(slog.NewTextHandler(&out, nil)))
		away := func(broker string) { c.Log(kgo.LogLevelWarn, "unable to open connection to broker", "addr", broker) }
		for range 100 {
			away("one:9092")
			away("two:9092")
		}
		time.Sleep(repeatAfter)
		away("one:9092")
		if n := strings.Count(out.String(), "\n"); n != 3 {
			t.Errorf("%d lines, want one for each broker and one more:\n%s", n, out.String())
		}
	})
}
