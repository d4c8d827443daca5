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

	"waybill/console"
	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

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
