package app

import (
	"context"
	"errors"
)

// StopKafka takes the embedded broker away while the stages run: for whoever
// wants to see an outage. Its directory keeps the log.
func (d *Dev) StopKafka() error {
	if d.kafka == nil {
		return errNotEmbedded
	}
	err := d.kafka.Close()
	d.kafka = nil
	return err
}

// StartKafka brings the broker back, at the same address and with the same log.
func (d *Dev) StartKafka() error { return d.openKafka(d.Base.Kafka[0]) }

// StopPostgres takes the embedded server away while the stages run.
func (d *Dev) StopPostgres() error {
	if d.postgres == nil {
		return errNotEmbedded
	}
	err := d.postgres.Close()
	d.postgres = nil
	return err
}

// StartPostgres brings the server back, at the same address and with its rows.
// ctx bounds the start only.
func (d *Dev) StartPostgres(ctx context.Context) error { return d.openPostgres(ctx) }

// errNotEmbedded: what runs elsewhere is not stopped from here.
var errNotEmbedded = errors.New("the engine is not embedded, or is stopped already")
