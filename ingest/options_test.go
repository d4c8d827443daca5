package ingest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/internal/eventlog"
)

// ahead is a time from now in seconds since 1970, with fractions.
func ahead(d time.Duration) string {
	return fmt.Sprintf("%.6f", float64(time.Now().Add(d).UnixMicro())/1e6)
}

func TestDeliverAt(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	zone := time.FixedZone("", -7*3600)
	for text, want := range map[string]int64{
		fmt.Sprintf("%.6f", float64(soon.UnixMicro())/1e6):     soon.UnixMicro(),
		fmt.Sprint(soon.Unix()):                                soon.Unix() * 1e6,
		`"` + soon.UTC().Format(time.RFC3339Nano) + `"`:        soon.UnixMicro(),
		`"` + soon.In(zone).Format(time.RFC3339) + `"`:         soon.Unix() * 1e6,
		fmt.Sprint(time.Now().Add(5*24*time.Hour).Unix() - 60): time.Now().Add(5*24*time.Hour).Unix()*1e6 - 60e6,
		// The past is now.
		"0": 0, "-5": 0, "-1e300": 0, "1.7e9": 0, `"2020-01-02T03:04:05Z"`: 0, `"0000-01-01T00:00:00Z"`: 0,
	} {
		var r request
		if v := parseOne(&r, `{"user":"u","deliver_at":`+text+rest); v != nil {
			t.Errorf("%s: %v", text, v)
		} else if off := r.deliverAt - want; off < -2e6 || off > 2e6 || want%1e6 != 0 && off != 0 {
			t.Errorf("%s: %d, want %d", text, r.deliverAt, want)
		}
	}
	// Six days hold both; a push that is due now may have all of them as its ttl.
	for _, fields := range []string{`"deliver_at":` + ahead(5*24*time.Hour-time.Minute), `"deliver_at":0,"ttl":518400`, `"ttl":60,"deliver_at":` + ahead(6*24*time.Hour-2*time.Minute)} {
		if v := parseOne(&request{}, `{"user":"u",`+fields+rest); v != nil {
			t.Errorf("%s: %v", fields, v)
		}
	}
}

// What the options say stands in the log.
func TestOptions(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	body := fmt.Sprintf(`{"user":"u","family":1,"json":1,"collapse_key":"price","deliver_at":%q,"first_device_wins":true}`, at.Format(time.RFC3339))
	if a := post(t, s, body); a.code != http.StatusAccepted {
		t.Fatalf("%+v", a)
	}
	p := w.read(eventlog.EventsTopic, 1)[0].Event.Pushed
	if p.CollapseKey != "price" || !p.FirstDeviceWins || p.DeliverAt != at.UnixMicro() || p.Ttl != DefaultTTL*1000 {
		t.Errorf("pushed %+v", p)
	}
	if a := post(t, s, `{"user":"u","family":1,"json":1,"deliver_at":"noon"}`); a.code != http.StatusBadRequest || a.Error.Field != "deliver_at" || !strings.Contains(a.Error.Message, "RFC 3339") {
		t.Errorf("%+v", a)
	}
}
