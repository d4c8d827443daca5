package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"waybill/internal/app"
	"waybill/internal/control"
)

type migrateCmd struct {
	engines
	Partitions  int32         `help:"Partitions of keyed topics; with more than there are, waybill.events goes on in its next epoch while everything runs. 0: as many as there are, 64 in a new installation." env:"WAYBILL_PARTITIONS" default:"0"`
	Dispatch    int32         `help:"Partitions of waybill.dispatch: the highest gate number and 1." env:"WAYBILL_DISPATCH" default:"64"`
	Replication int16         `help:"Copies of each topic; -1 for the brokers' default." env:"WAYBILL_REPLICATION" default:"-1"`
	Apps        string        `help:"JSON file of apps, their API keys and token keys." type:"existingfile" env:"WAYBILL_APPS"`
	RotateKey   bool          `help:"Publish another key that seals resume tickets, under --cluster-key."`
	ForgetKeys  bool          `help:"With --rotate-key: drop the published keys that --cluster-key does not open. Devices with their tickets log in."`
	ClusterKey  hexKey        `help:"With --rotate-key: the key of all gates, 64 hex digits." env:"WAYBILL_CLUSTER_KEY"`
	Wait        time.Duration `help:"How long engines that are away are waited for." env:"WAYBILL_WAIT" default:"60s"`
}

// Validate says what is wrong and what is allowed.
func (c *migrateCmd) Validate() error {
	switch {
	case c.RotateKey && c.ClusterKey == nil:
		return errors.New("--rotate-key needs --cluster-key, the one that the gates have")
	case c.ForgetKeys && !c.RotateKey:
		return errors.New("--forget-keys stands alone; allowed: with --rotate-key, which puts another key in their place")
	}
	return nil
}

// Run brings topics, schemas and apps up to date.
func (c *migrateCmd) Run(ctx context.Context, log *slog.Logger) error {
	host, _ := os.Hostname()
	cfg := app.MigrateConfig{Partitions: c.Partitions, Grow: true, Dispatch: c.Dispatch, Replication: c.Replication, Wait: c.Wait}
	if c.Apps != "" {
		f, err := os.Open(c.Apps)
		if err != nil {
			return fmt.Errorf("open the file of apps: %w", err)
		}
		defer func() { _ = f.Close() }()
		if cfg.Apps, err = control.ReadFile(f); err != nil {
			return fmt.Errorf("read %s: %w", c.Apps, err)
		}
	}
	if c.RotateKey {
		cfg.Rotate = &control.Rotation{Configured: c.ClusterKey, Forget: c.ForgetKeys}
	}
	base := app.Base{Addresses: app.Addresses{Kafka: c.Kafka, Postgres: c.Postgres, ClickHouse: c.ClickHouse}, Host: host, Logger: log}
	err := app.Migrate(ctx, base, cfg)
	if errors.Is(err, control.ErrOtherKey) {
		return fmt.Errorf("%w (--forget-keys drops the published keys that it does not open)", err)
	}
	return err
}
