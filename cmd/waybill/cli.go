package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line: a field for each subcommand. What an operator sets
// has an environment variable WAYBILL_… too, which --help names; unknown flags
// and unknown variables are refused.
type cli struct {
	LogLevel  slog.Level `help:"Least level that is logged: debug, info, warn, error." default:"info" env:"WAYBILL_LOG_LEVEL"`
	LogFormat string     `help:"text for a person, json for a collector." enum:"text,json" default:"text" env:"WAYBILL_LOG_FORMAT"`

	Dev  devCmd  `cmd:"" help:"Run everything in this process on embedded engines. State is kept in a directory."`
	Demo demoCmd `cmd:"" help:"Run a small freight city on a fresh Waybill and show what happened."`

	Gate      gateCmd      `cmd:"" help:"Run a gate: holds the devices' connections." group:"Stages"`
	Ingest    ingestCmd    `cmd:"" help:"Run the push API for app-servers." group:"Stages"`
	Delivery  deliveryCmd  `cmd:"" help:"Run a delivery worker: mailboxes, decisions, commands." group:"Stages"`
	Projector projectorCmd `cmd:"" help:"Run the projectors into Postgres and ClickHouse." group:"Stages"`
	Console   consoleCmd   `cmd:"" help:"Run the read API and the pages." group:"Stages"`
	Engine    engineCmd    `cmd:"" help:"Run one embedded engine alone; it ends when its standard input closes." group:"Stages"`

	Migrate migrateCmd `cmd:"" help:"Create and check topics, schemas and apps." group:"Tools"`
	Revoke  revokeCmd  `cmd:"" help:"End a user's sessions: their devices must log in with a token." group:"Tools"`
	Rebuild rebuildCmd `cmd:"" help:"Rebuild Postgres' tables from the log beside the live ones, compare, and swap them." group:"Tools"`
	Push    pushCmd    `cmd:"" help:"Push a message to a user." group:"Tools"`
	Redrive redriveCmd `cmd:"" help:"Push dead letters again." group:"Tools"`
	Trace   traceCmd   `cmd:"" help:"Show the way of a message by its trace id or push id." group:"Tools"`
	Funnel  funnelCmd  `cmd:"" help:"Show how many pushes reached each step, and how the rest ended." group:"Tools"`
	Load    loadCmd    `cmd:"" help:"Measure a running Waybill from outside, as its devices and its app-server." group:"Tools"`
	Device  deviceCmd  `cmd:"" help:"Be a device in this terminal: print what comes, send what is typed." group:"Tools"`
	Health  healthCmd  `cmd:"" help:"Ask a stage on this host whether it does its work; the exit code says so too." group:"Tools"`
}

// run parses the arguments and runs one subcommand.
func run(args []string) error {
	var c cli
	parser, err := newParser(&c)
	if err != nil {
		return err
	}
	if err := checkVariables(os.Environ(), knownVariables(parser.Model)); err != nil {
		return usageError{err}
	}
	k, err := parser.Parse(args)
	if err != nil {
		return usageError{fmt.Errorf("%w (waybill --help lists what there is)", err)}
	}
	log := newLog(c.LogLevel, c.LogFormat)
	ctx, stop := untilSignal(log)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	return k.Run(log)
}

func newParser(c *cli) (*kong.Kong, error) {
	parser, err := kong.New(c, kong.Name("waybill"), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Description("A real-time message platform for mobile apps in which every message carries a waybill: a trace id whose whole way can be looked up.\n\n"+exitHelp))
	if err != nil {
		return nil, fmt.Errorf("build the command line: %w", err)
	}
	return parser, nil
}

func newLog(level slog.Level, format string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}

// errSignal is the cause with which a signal ends the work.
var errSignal = errors.New("asked to stop")

// untilSignal ends the context at the first SIGINT or SIGTERM, so that the
// stages drain; the second one ends the process at once.
func untilSignal(log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s, ok := <-signals
		if !ok {
			return
		}
		log.Info("draining; once more to stop at once", "signal", s.String())
		cancel(errSignal)
		if s, ok = <-signals; ok {
			log.Warn("stopping at once", "signal", s.String())
			os.Exit(exitForced)
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals); cancel(nil) }
}
