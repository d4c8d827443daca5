package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"waybill/internal/app"
	"waybill/internal/control"
	"waybill/schemas"
)

type revokeCmd struct {
	Kafka   []string      `help:"Brokers to begin with, host:port." env:"WAYBILL_KAFKA" default:"127.0.0.1:9092"`
	App     string        `help:"App of the user." required:""`
	User    string        `help:"Whose sessions end." required:""`
	Device  string        `help:"Only those of this device."`
	Session sessionID     `help:"Only this one: 32 hex digits."`
	Wait    time.Duration `help:"How long brokers that are away are waited for." env:"WAYBILL_WAIT" default:"60s"`
}

// sessionID is 16 bytes as 32 hex digits.
type sessionID struct{ schemas.ID }

// UnmarshalText reads the digits.
func (s *sessionID) UnmarshalText(text []byte) (err error) {
	s.ID, err = schemas.ParseID(string(text))
	return err
}

// Validate says what is wrong and what is allowed.
func (c *revokeCmd) Validate() error { return engines{Kafka: c.Kafka}.check() }

// Run revokes and says what that means.
func (c *revokeCmd) Run(ctx context.Context, log *slog.Logger) error {
	host, _ := os.Hostname()
	base := app.Base{Addresses: app.Addresses{Kafka: c.Kafka}, Host: host, Logger: log}
	err := app.Revoke(ctx, base, control.Revocation{App: c.App, User: c.User, Device: c.Device, Session: c.Session.ID}, c.Wait)
	if err != nil {
		return err
	}
	fmt.Printf("revoked: %s. In force on every gate within a second; a login with a token is welcome.\n", c.whose())
	return nil
}

// whose sessions, in words.
func (c *revokeCmd) whose() string {
	what := "the sessions"
	if !c.Session.IsZero() {
		what = "session " + c.Session.String()
	}
	if c.Device != "" {
		what += " of device " + c.Device
	}
	return what + " of user " + c.User + " of app " + c.App + " that had begun"
}
