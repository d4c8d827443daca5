package main

import (
	"context"
	"os"

	"waybill/internal/engine"
)

type engineCmd struct {
	Kafka      engineKafka      `cmd:"" help:"The broker."`
	Postgres   enginePostgres   `cmd:"" help:"A Postgres server."`
	ClickHouse engineClickHouse `cmd:"" name:"clickhouse" help:"The ClickHouse engine."`
}

// engineDir is where an engine keeps its data.
type engineDir struct {
	Dir string `help:"Directory of the engine's data." required:"" type:"path"`
}

type engineKafka struct {
	engineDir
	Listen string `help:"Loopback address." default:"127.0.0.1:0"`
}

// Run serves until standard input closes.
func (c *engineKafka) Run(ctx context.Context) error {
	return engine.ServeKafka(ctx, c.Dir, c.Listen, os.Stdin, os.Stdout)
}

type enginePostgres struct{ engineDir }

// Run serves until standard input closes.
func (c *enginePostgres) Run(ctx context.Context) error {
	return engine.ServePostgres(ctx, c.Dir, os.Stdin, os.Stdout)
}

type engineClickHouse struct {
	engineDir
	Listen string `help:"Loopback address." default:"127.0.0.1:0"`
}

// Run serves until standard input closes.
func (c *engineClickHouse) Run(ctx context.Context) error {
	return engine.ServeClickHouse(ctx, c.Dir, c.Listen, os.Stdin, os.Stdout)
}
