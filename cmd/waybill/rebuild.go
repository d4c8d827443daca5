package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"waybill/internal/app"
	"waybill/projector/session"
)

type rebuildCmd struct {
	Kafka    []string      `help:"Brokers to begin with, host:port." env:"WAYBILL_KAFKA" default:"127.0.0.1:9092"`
	Postgres string        `help:"Postgres, as a DSN or URL. Its user must be allowed to make schemas." env:"WAYBILL_POSTGRES" default:"postgres://waybill@127.0.0.1:5432/waybill"`
	Accept   bool          `help:"Swap although the rebuilt tables say something else than the live ones."`
	Wait     time.Duration `help:"How long engines that are away are waited for." env:"WAYBILL_WAIT" default:"60s"`
}

// Validate says what is wrong and what is allowed.
func (c *rebuildCmd) Validate() error { return engines{Kafka: c.Kafka}.check() }

// Run rebuilds Postgres' tables from the log and says what came of it.
func (c *rebuildCmd) Run(ctx context.Context, log *slog.Logger) error {
	host, _ := os.Hostname()
	base := app.Base{Addresses: app.Addresses{Kafka: c.Kafka, Postgres: c.Postgres}, Host: host, Logger: log}
	began := time.Now()
	done, err := app.Rebuild(ctx, base, app.RebuildConfig{Accept: c.Accept, Wait: c.Wait})
	if err == nil || errors.Is(err, session.ErrDiffers) {
		showRebuilt(os.Stdout, done, time.Since(began))
	}
	if errors.Is(err, session.ErrDiffers) {
		return fmt.Errorf("%w (--accept swaps them all the same)", err)
	}
	return err
}

// showRebuilt prints what a person wants to read in the end.
func showRebuilt(w io.Writer, done session.Rebuilt, took time.Duration) {
	rate := float64(done.Events) / max(took.Seconds(), .001)
	fmt.Fprintf(w, "%d events of %d partitions in %.1f s (%.0f events/s)\n", done.Events, done.Partitions, took.Seconds(), rate)
	for _, d := range done.Differences {
		fmt.Fprintln(w, "different:", d)
	}
	if len(done.Differences) == 0 {
		fmt.Fprintln(w, "the rebuilt tables say the same as the live ones did, at the same positions of the log")
	}
	if done.Swapped {
		fmt.Fprintln(w, "swapped: the rebuilt tables are the live ones")
	}
}
