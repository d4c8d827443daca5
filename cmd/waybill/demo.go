package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"waybill/internal/app"
	"waybill/internal/demo"
)

type demoCmd struct {
	Drivers int           `help:"Drivers in the city." default:"200"`
	For     time.Duration `help:"How long orders come." default:"12s"`
	Keep    bool          `help:"Leave it running afterwards, so that the pages can be browsed."`
	Dir     string        `help:"Directory of the state; default: a fresh one that is removed at the end." type:"path"`
}

// Run builds a Waybill of its own, on free ports, and lets the city live on it.
func (c *demoCmd) Run(ctx context.Context, log *slog.Logger) error {
	tune()
	dir := c.Dir
	if dir == "" {
		d, err := os.MkdirTemp("", "waybill-demo-")
		if err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		defer func() { _ = os.RemoveAll(d) }()
		if err := os.Chmod(d, 0o711); err != nil { // root's Postgres runs as another user
			return fmt.Errorf("open the directory to postgres: %w", err)
		}
		dir = d
	}
	if !log.Enabled(ctx, slog.LevelDebug) {
		log = newLog(slog.LevelWarn, "text") // the city's own lines are the show
	}
	fmt.Println("Starting a Waybill: broker, Postgres, ClickHouse, two gates and every stage in one process …")
	start := time.Now()
	free := "127.0.0.1:0"
	d, err := app.StartDev(ctx, app.DevConfig{
		Dir: dir, Gates: []string{free, free}, Ingest: free, Console: free, Host: "demo", Logger: log, Progress: say,
	})
	if err != nil {
		return err
	}
	fmt.Printf("Up after %.1f s. %d drivers leave their garages.\n", time.Since(start).Seconds(), c.Drivers)
	err = c.city(ctx, d)
	if c.Keep && err == nil {
		fmt.Printf("\nIt goes on running: http://%s  (Ctrl-C ends it)\n", d.Stage(app.DevConsole).Addr())
		err = d.Failed(ctx)
	}
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (c *demoCmd) city(ctx context.Context, d *app.Dev) error {
	return demo.Run(ctx, demo.Config{
		Drivers: c.Drivers, For: c.For, App: d.App.Name, APIKey: d.App.APIKey, Token: d.App.Token,
		Gates:   []string{d.Stage(app.DevGate(1)).Addr(), d.Stage(app.DevGate(2)).Addr()},
		Brokers: d.Base.Kafka,
		Ingest:  "http://" + d.Stage(app.DevIngest).Addr(),
		Console: "http://" + d.Stage(app.DevConsole).Addr(),
		Out:     os.Stdout, Live: isTerminal(os.Stdout), Stays: c.Keep,
	})
}

// isTerminal says whether a line can be redrawn.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
