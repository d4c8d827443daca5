package app

import (
	"context"
	"errors"
	"fmt"

	"waybill/internal/eventlog"
)

// defaultPartitions of keyed topics, where nobody asks for a number.
const defaultPartitions = 64

// firstPartitions is how many partitions waybill.events has in its first epoch,
// or is to have.
func firstPartitions(ctx context.Context, log *eventlog.Log, cfg MigrateConfig) (int32, error) {
	n, err := log.Partitions(ctx, eventlog.EventsTopic)
	switch {
	case errors.Is(err, eventlog.ErrUnknownTopic) && cfg.Partitions == 0:
		return defaultPartitions, nil
	case errors.Is(err, eventlog.ErrUnknownTopic):
		return cfg.Partitions, nil
	case err != nil:
		return 0, err
	case cfg.Partitions != 0 && !cfg.Grow:
		return cfg.Partitions, nil // another number is an error
	}
	return n, nil
}

// newestEpoch is the epoch that facts go to, and how many partitions it has.
func newestEpoch(ctx context.Context, log *eventlog.Log) (now eventlog.Announced, err error) {
	if now, err = log.Announced(ctx); err != nil {
		return now, err
	}
	now.Partitions, err = log.Partitions(ctx, eventlog.EventsOf(now.Epoch))
	now.Done = now.Done || now.Epoch == 0
	return now, err
}

// migrateEpoch brings waybill.events to as many partitions as are asked for, and
// goes on with a change that broke off.
func migrateEpoch(ctx context.Context, b Base, cfg MigrateConfig) error {
	log, err := b.open("migrate@" + b.Host)
	if err != nil {
		return err
	}
	defer log.Close()
	now, err := newestEpoch(ctx, log)
	if err != nil {
		return err
	}
	to := cfg.Partitions
	switch {
	case to == 0 || to == now.Partitions:
		if now.Done {
			return nil
		}
		to = now.Partitions
	case to < now.Partitions:
		return fmt.Errorf("%w: %s has %d partitions and cannot have %d; allowed: %d or more", eventlog.ErrTopicDiffers,
			eventlog.EventsOf(now.Epoch), now.Partitions, to, now.Partitions)
	}
	return log.Grow(ctx, eventlog.GrowConfig{Partitions: to, Replication: cfg.Replication})
}
