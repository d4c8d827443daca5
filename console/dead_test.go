package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"waybill/console"
	"waybill/schemas"
)

// deadPage is the answer of the list.
type deadPage struct {
	Letters []console.DeadLetter `json:"dead_letters"`
	Next    string               `json:"next"`
}

// end is the life of a push that ends without having been delivered.
func (d *desk) end(user, label string, class schemas.Class, reason schemas.Reason) (push schemas.ID, at uint64) {
	d.t.Helper()
	push = schemas.NewID(time.Now())
	at = d.say(schemas.Kind_KIND_PUSHED, push, func(e *schemas.Event) {
		e.User, e.Pushed = user, &schemas.Pushed{PushId: push[:], Name: "o-1", Family: 7, Command: 2, Ttl: 1000, Label: label}
	})
	accepted := d.now
	d.say(schemas.Kind_KIND_OUTCOME, push, func(e *schemas.Event) {
		e.User, e.Outcome = user, &schemas.Outcome{
			Position: at, PushId: push[:], Name: "o-1", Class: class, Reason: reason, Label: label, Family: 7, Command: 2,
			Steps: &schemas.Steps{Accepted: accepted},
		}
	})
	return push, at
}

// list asks until so many dead letters are there.
func (d *desk) list(query string, want int) (page deadPage) {
	d.t.Helper()
	d.get("/v1/dead-letters?"+query, "application/json", func(_ int, body string) bool {
		page = deadPage{}
		return json.Unmarshal([]byte(body), &page) == nil && len(page.Letters) == want
	})
	return page
}

func TestDeadLetters(t *testing.T) {
	d := newDesk(t)
	d.tunnel(schemas.NewID(time.Now()), schemas.NewID(time.Now())) // delivered: not among them
	var pushes []schemas.ID
	var places []uint64
	for n := range 5 {
		push, at := d.end(fmt.Sprint("driver-", n), "order", schemas.Class_CLASS_LOST, schemas.Reason_REASON_EXPIRED)
		pushes, places = append(pushes, push), append(places, at)
	}
	d.end("driver-0", "price", schemas.Class_CLASS_UNCONFIRMED, schemas.Reason_REASON_SENT_UNACKED)
	d.end("driver-0", "order", schemas.Class_CLASS_WITHDRAWN, schemas.Reason_REASON_CANCELED)
	all := d.list("", 6)
	if all.Letters[0].Reason != "sent_unacked" || all.Next != "" {
		t.Errorf("%+v", all)
	}
	got := all.Letters[1] // of driver-4
	if got.ID != pushes[4].String() || got.Position != places[4] || got.Name != "o-1" || got.App != "freight" || got.User != "driver-4" ||
		got.Family != 7 || got.Command != 2 || got.Class != "lost" || got.Explains != "Its ttl passed before it could be sent." ||
		!got.Ended.After(got.Accepted) || got.Dispatched != nil {
		t.Errorf("%+v", got)
	}
	for query, want := range map[string]int{
		"user=driver-0": 2, "user=driver-0&label=order": 1, "reason=expired": 5, "class=unconfirmed": 1, "app=taxi": 0,
		"from=2020-01-01&to=2020-01-02": 0, "app=freight&from=2020-01-01": 6,
	} {
		d.list(query, want)
	}
	var paged []string
	for after := ""; ; {
		page := d.list("limit=2&after="+url.QueryEscape(after), 2)
		for _, l := range page.Letters {
			paged = append(paged, l.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	for i, l := range all.Letters {
		if len(paged) != len(all.Letters) || paged[i] != l.ID {
			t.Fatalf("in pages: %v, at once: %+v", paged, all.Letters)
		}
	}
	d.deadPages(pushes[4])
	d.say(schemas.Kind_KIND_PUSHED, pushes[2], func(e *schemas.Event) {
		name := schemas.RedriveName(pushes[2], "o-1")
		id := schemas.NamedID("freight", "driver-2", name)
		e.User, e.Pushed = "driver-2", &schemas.Pushed{PushId: id[:], Name: name, Family: 7}
	})
	d.get("/v1/dead-letters/"+pushes[2].String(), "application/json", has(`"redriven":true`))
	d.get("/v1/dead-letters/"+pushes[1].String(), "application/json", has(`"redriven":false`))
}

// deadPages looks at the answers for people.
func (d *desk) deadPages(push schemas.ID) {
	d.t.Helper()
	for path, want := range map[string]string{
		"/dead-letters":                     "driver-4",
		"/dead-letters?reason=poison":       "None ended in this time",
		"/dead-letters?limit=1":             "Older ones",
		"/dead-letters/" + push.String():    "waybill redrive " + push.String(),
		"/v1/dead-letters/" + push.String(): `"user":"driver-4"`,
		"/":                                 `href="/dead-letters"`,
	} {
		if status, body := d.get(path, "*/*", nil); status != http.StatusOK || !strings.Contains(body, want) {
			d.t.Errorf("GET %s: %d, want %q in\n%s", path, status, want, body)
		}
	}
	if _, text := d.get("/v1/dead-letters", "text/plain", nil); !strings.Contains(text, push.String()+"  lost") {
		d.t.Errorf("the terminal gets\n%s", text)
	}
}

// What is no dead letter is said to be none, each in its way.
func TestNoDeadLetter(t *testing.T) {
	d := newDesk(t)
	delivered := schemas.NewID(time.Now())
	d.tunnel(schemas.NewID(time.Now()), delivered)
	waiting := schemas.NewID(time.Now())
	d.say(schemas.Kind_KIND_PUSHED, waiting, func(e *schemas.Event) { e.Pushed = &schemas.Pushed{PushId: waiting[:], Ttl: 60_000} })
	d.get("/v1/funnel", "application/json", has(`"accepted":2`))
	for id, want := range map[string]string{
		delivered.String():                        "it is delivered",
		waiting.String():                          "still in flight",
		schemas.NamedID("a", "b", "c").String():   `"reason":"unknown"`,
		"nonsense":                                "is no push id",
		schemas.NewID(time.Unix(1e9, 0)).String(): `"reason":"too_old"`,
	} {
		if status, body := d.get("/v1/dead-letters/"+id, "application/json", nil); status < 400 || status >= 500 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %q", id, status, body, want)
		}
	}
	for query, want := range map[string]string{
		"class=delivered": "must be lost or unconfirmed", "reason=tired": `there is no reason \"tired\"`, "limit=0": "1 to 1000", "limit=x": "1 to 1000",
		"after=1-2": "what an answer called next", "from=2026-01-02&to=2026-01-01": "from must be before to", "usr=x": `there is no parameter \"usr\"`,
	} {
		if status, body := d.get("/v1/dead-letters?"+query, "application/json", nil); status != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want 400 and %q", query, status, body, want)
		}
	}
}
