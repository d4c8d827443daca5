package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

func (c *city) status() string {
	n := &c.counts
	return fmt.Sprintf("%3.0f s  %d drivers online, %d in tunnels · %d locations · %d offers accepted, %d handled",
		time.Since(c.start).Seconds(), n.connected.Load(), n.inTunnel.Load(), n.locations.Load(), n.accepted.Load(), n.handled.Load())
}

// statusLine shows how it goes, in place on a terminal, else every two seconds.
func (c *city) statusLine(ctx context.Context) error {
	every := 2 * time.Second
	if c.cfg.Live {
		every = 200 * time.Millisecond
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		c.say(false)
	}
}

// say how it stands: on a terminal in the place of the line before, and the last
// one stays.
func (c *city) say(last bool) {
	switch {
	case !c.cfg.Live:
		fmt.Fprintln(c.cfg.Out, c.status())
	case last:
		fmt.Fprintf(c.cfg.Out, "\r\033[K%s\n", c.status())
	default:
		fmt.Fprintf(c.cfg.Out, "\r\033[K%s", c.status())
	}
}

func (n *counts) print(out io.Writer, f funnel) {
	row := func(what string, count int64, say string) { fmt.Fprintf(out, "  %-28s %8d  %s\n", what, count, say) }
	fmt.Fprintln(out, "\nDrivers")
	row("connections made", n.connects.Load(), "logins and resumes")
	row("tunnels driven through", n.tunnels.Load(), "")
	row("locations acknowledged", n.reports.Load(), "each is in the log")
	row("locations read by the app", n.locations.Load(), "from the uplink topic")
	fmt.Fprintln(out, "Offers")
	row("accepted", f.Total.Accepted, "by POST /v1/pushes")
	row("written a second time", n.again.Load(), "after a tunnel, handled once all the same")
	for _, class := range classes {
		row(class, f.class(class), reasons(f, class))
	}
	row("without an outcome", f.open(), "")
}

// reasons of a class and how often each.
func reasons(f funnel, class string) string {
	var all []string
	for _, e := range f.Endings {
		if e.Class == class && e.Count > 0 {
			all = append(all, fmt.Sprintf("%s %d", e.Reason, e.Count))
		}
	}
	return strings.Join(all, ", ")
}

// printSurvivor finds a push that needed a second connection and prints its
// tracking page.
func (c *city) printSurvivor(ctx context.Context) error {
	for _, o := range c.boss.offers {
		survived, err := c.survived(ctx, o)
		if err != nil {
			return err
		}
		if !survived {
			continue
		}
		text, err := c.trace(ctx, o.push, "text/plain")
		if err != nil {
			return err
		}
		fmt.Fprintf(c.cfg.Out, "\nOne offer that survived a tunnel (%s):\n\n%s\n%s\n", o.driver, text, c.page(o))
		return nil
	}
	fmt.Fprintln(c.cfg.Out, "\nNo offer needed a second connection this time; run it again.")
	return nil
}

// page says where a person reads the same.
func (c *city) page(o offer) string {
	if !c.cfg.Stays {
		return "To read it as a page, let the city stay: waybill demo --keep"
	}
	return fmt.Sprintf("The same as a page: %s/traces/%s", c.cfg.Console, o.push)
}

// survived says whether this offer, and not another one of its trace, was
// delivered on a later connection than its first.
func (c *city) survived(ctx context.Context, o offer) (bool, error) {
	page, err := c.trace(ctx, o.push, "application/json")
	if err != nil {
		return false, err
	}
	var trace struct {
		Messages []struct {
			PushID  string `json:"push_id"`
			State   string
			Verdict string
		}
	}
	if err := json.Unmarshal([]byte(page), &trace); err != nil {
		return false, fmt.Errorf("read the trace of %s: %w", o.push, err)
	}
	for _, m := range trace.Messages {
		if m.PushID == o.push {
			return m.State == "delivered" && strings.Contains(m.Verdict, "attempts"), nil
		}
	}
	return false, nil
}

func (c *city) trace(ctx context.Context, id, accept string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Console+"/v1/traces/"+id, http.NoBody)
	if err != nil {
		return "", fmt.Errorf("make call: %w", err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", id, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("read the trace of %s: %w", id, err)
	}
	return string(b), nil
}
