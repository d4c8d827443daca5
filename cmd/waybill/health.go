package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// healthCmd is the health check of a container that holds nothing but this
// binary: it asks the stage beside it, whose private address it finds where
// the stage finds it.
type healthCmd struct {
	Metrics string        `help:"Private address of the process that is asked." env:"WAYBILL_METRICS" required:""`
	Timeout time.Duration `help:"How long the answer may take." default:"3s"`
}

// Run prints what the process says of itself; an error is that it is not ready.
func (c *healthCmd) Run(ctx context.Context) error {
	host, port, err := net.SplitHostPort(c.Metrics)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no address such as 127.0.0.1:7401: %w", c.Metrics, err)
	case port == "0":
		return errors.New("port 0 names no process: give it a port of its own, such as 127.0.0.1:7401")
	case host == "" || net.ParseIP(host).IsUnspecified():
		host = "127.0.0.1" // it listens everywhere, here too
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", http.NoBody)
	if err != nil {
		return fmt.Errorf("make the call: %w", err)
	}
	b, err := answerOf(req, http.StatusOK)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}
