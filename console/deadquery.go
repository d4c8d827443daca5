package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/schemas"
)

// String is what a page's next is called.
func (p deadPlace) String() string {
	return fmt.Sprintf("%d-%s-%d", p.ended, p.trace, p.position)
}

var errPlace = errors.New("after is not what an answer called next")

func parseDeadPlace(s string) (p deadPlace, err error) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 {
		return p, errPlace
	}
	var errs [3]error
	p.ended, errs[0] = strconv.ParseInt(parts[0], 10, 64)
	p.trace, errs[1] = schemas.ParseID(parts[1])
	p.position, errs[2] = strconv.ParseUint(parts[2], 10, 64)
	if errors.Join(errs[:]...) != nil || p.ended <= 0 {
		return p, errPlace
	}
	return p, nil
}

func deadQuery(v url.Values, now time.Time) (q DeadQuery, err error) {
	q = DeadQuery{App: v.Get("app"), User: v.Get("user"), Label: v.Get("label"), Class: v.Get("class"), Reason: v.Get("reason"), Limit: maxPushes}
	if err := known(v, "app", "user", "label", "class", "reason", "from", "to", "after", "limit"); err != nil {
		return q, err
	}
	if q.Class != "" && !slices.Contains(deadClasses, q.Class) {
		return q, fmt.Errorf("class is %q; it must be %s", q.Class, strings.Join(deadClasses, " or "))
	}
	if _, ok := schemas.ReasonOf(q.Reason); q.Reason != "" && !ok {
		return q, fmt.Errorf("there is no reason %q", q.Reason)
	}
	if q.To, err = moment(v, "to", now.Add(time.Second)); err != nil {
		return q, err
	}
	if q.From, err = moment(v, "from", q.To.Add(-defaultDead)); err != nil {
		return q, err
	}
	if !q.From.Before(q.To) {
		return q, errors.New("from must be before to")
	}
	if s := v.Get("after"); s != "" {
		if q.After, err = parseDeadPlace(s); err != nil {
			return q, err
		}
	}
	if s := v.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 1 || q.Limit > maxDead {
			return q, fmt.Errorf("limit is %q; it must be 1 to %d", s, maxDead)
		}
	}
	return q, nil
}

// deadLetters lists what ended as lost or unconfirmed.
func (c *Console) deadLetters(ctx context.Context, r *http.Request) (answer, error) {
	q, err := deadQuery(r.URL.Query(), c.now())
	if err != nil {
		return badRequest("%v.", err), nil
	}
	page, err := c.store.deadLetters(ctx, q)
	if err != nil {
		return answer{}, err
	}
	var text strings.Builder
	for i := range page.Letters {
		text.WriteString(page.Letters[i].line())
	}
	if page.Next != "" {
		fmt.Fprintf(&text, "more: after=%s\n", page.Next)
	}
	return answer{page: "dead.html", title: "Dead letters", body: page, text: text.String()}, nil
}

// deadLetter reads one.
func (c *Console) deadLetter(ctx context.Context, r *http.Request) (answer, error) {
	id, err := schemas.ParseID(r.PathValue("id"))
	if err != nil {
		return badRequest("%q is no push id, which is 32 hex digits; dashes may stand between them.", r.PathValue("id")), nil
	}
	one, found, err := c.store.deadLetter(ctx, id)
	switch {
	case err != nil:
		return answer{}, err
	case !found:
		return c.absent(ctx, id)
	case !one.dead():
		state := one.Class
		if state == "" {
			state = "still in flight"
		}
		return trouble(http.StatusNotFound, problem{NotDead, fmt.Sprintf("This push is no dead letter: it is %s.", state)}), nil
	}
	return answer{page: "letter.html", title: "Dead letter", body: one, text: one.line()}, nil
}
