package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// projecting answers /metrics as a projector does that reads the log in three
// looks and stores the rest one look later.
func projecting(t *testing.T) *httptest.Server {
	t.Helper()
	looks := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		looks++
		read, stored := min(max(looks-2, 0), 3)*1000, min(max(looks-3, 0), 3)
		fmt.Fprintf(w, "# TYPE waybill_log_read_total counter\n"+
			"waybill_log_read_total{topic=\"waybill.events\"} %d\nwaybill_log_read_total{topic=\"waybill.gates\"} 77\n"+
			"waybill_log_lag{partition=\"0\"} %d\nwaybill_projector_hop_rows_total{table=\"hops\"} %d\nwaybill_projector_hop_rows_total_created 5\n", read, 3000-read, stored*10)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s
}

func TestMeasureReplay(t *testing.T) {
	s := projecting(t)
	r, err := measureReplay(t.Context(), Target{Metrics: strings.TrimPrefix(s.URL, "http://"), PIDs: []int{os.Getpid()}}, 4*replayLook)
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != 3000 || r.Rate != 3000/r.Seconds {
		t.Errorf("replay %+v, want 3000 events", r)
	}
	// From the second look, which had nothing, to the sixth, which had the last rows.
	if least := 4 * replayLook.Seconds() * .9; r.Seconds < least {
		t.Errorf("it took %.3f s, want at least %.3f: until the last row is stored", r.Seconds, least)
	}
}

func TestWatchBeginsWithTheFirstEvent(t *testing.T) {
	var w watch
	at := time.UnixMilli(0)
	for i, p := range []projected{{}, {lag: 9}, {read: 5, lag: 4}, {read: 9}, {read: 9, stored: 1}, {read: 9, stored: 1}} {
		w.note(p, at.Add(time.Duration(i)*time.Second))
	}
	if r := w.replay(usage{}); r.Seconds != 3 || r.Events != 9 || r.Rate != 3 {
		t.Errorf("replay %+v, want 9 events from second 1 to second 4", r)
	}
}

func TestSeriesSum(t *testing.T) {
	m := series{`a{x="1",topic="e"}`: 1, `a{topic="f"}`: 2, "a": 4, "ab": 8}
	if got := m.sum("a", ""); got != 7 {
		t.Errorf("sum %v, want 7", got)
	}
	if got := m.sum("a", `topic="e"`); got != 1 {
		t.Errorf("sum %v, want that of one topic", got)
	}
}
