package readmodels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"waybill/console"
	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// Funnel counts pushes by words: accepted, dispatched, sent, delivered and in
// flight, and those that have ended by "class/reason".
type Funnel map[string]int

// FunnelOf is what the console must say once it has all that the ledger has.
func FunnelOf(l *ledger.Ledger) Funnel {
	t := l.Tally()
	f := Funnel{
		"accepted": len(l.Order), "dispatched": t.Dispatched, "sent": t.Sent,
		"delivered": t.Of(schemas.Class_CLASS_DELIVERED), "in flight": l.Unended,
	}
	for class, reasons := range t.Ends {
		for reason, n := range reasons {
			f[class.Word()+"/"+reason.Word()] = n
		}
	}
	return f
}

// Await waits until the console at the URL says of the app what is wanted, step
// by step and reason by reason.
func (want Funnel) Await(ctx context.Context, consoleURL, app string) error {
	return bell.Poll(ctx, "the funnel to say what the log says", func() error {
		got, err := ask(ctx, consoleURL, app)
		if err != nil {
			return err
		}
		return want.differs(got)
	})
}

// ask the console for everything of the app.
func ask(ctx context.Context, consoleURL, app string) (Funnel, error) {
	at := consoleURL + "/v1/funnel?" + url.Values{"app": {app}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Close = true // no connection outlives the test
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, errors.Join(err, fmt.Errorf("the funnel: %s: %.300s", resp.Status, b))
	}
	var said console.Funnel
	if err := json.Unmarshal(b, &said); err != nil {
		return nil, err
	}
	return inWords(said), nil
}

func inWords(said console.Funnel) Funnel {
	f := Funnel{
		"accepted": int(said.Total.Accepted), "dispatched": int(said.Total.Dispatched), "sent": int(said.Total.Sent),
		"delivered": int(said.Total.Delivered), "in flight": int(said.Total.InFlight),
	}
	for _, e := range said.Endings {
		f[e.Class+"/"+e.Reason] += int(e.Count)
	}
	return f
}

// differs says all that is not as wanted.
func (want Funnel) differs(got Funnel) error {
	var wrong []string
	for word, n := range want {
		if got[word] != n {
			wrong = append(wrong, fmt.Sprintf("%s: %d, want %d", word, got[word], n))
		}
	}
	for word, n := range got {
		if _, ok := want[word]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s: %d, want none", word, n))
		}
	}
	if wrong == nil {
		return nil
	}
	slices.Sort(wrong)
	return errors.New(strings.Join(wrong, "; "))
}
