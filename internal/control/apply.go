package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/user"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Change is what Apply puts in force.
type Change struct {
	Apps []*schemas.App
	// Partitions and Replication of the topics that an app gets.
	Partitions  int32
	Replication int16
	// Who makes the change, for the audit; empty = Operator("migrate").
	Who string
}

// Operator names the person at this process: tool/login@host.
func Operator(tool string) string {
	login, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		login = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return tool + "/" + login + "@" + host
}

// Apply makes the apps what c says, one after another: their topics are created
// and checked, then the change is audited, then it is put in force. It returns
// the names of those that it changed; an app that is so already writes nothing,
// and apps that c does not name stay as they are.
//
// When it fails in the middle, saying it again goes on where it stopped.
func Apply(ctx context.Context, log *eventlog.Log, c Change) (changed []string, err error) {
	now, err := current(ctx, log)
	if err != nil {
		return nil, err
	}
	if err := checkOthers(now, c.Apps); err != nil {
		return nil, err
	}
	to, err := newChanger(log, c.Who)
	if err != nil {
		return nil, err
	}
	defer to.close()
	for _, app := range c.Apps {
		if err := log.CreateTopics(ctx, eventlog.AppSpecs(app.Name, c.Partitions, c.Replication)); err != nil {
			return changed, fmt.Errorf("create topics of %s: %w", app.Name, err)
		}
		if known, ok := now.App(app.Name); ok {
			if app = keepSince(known, app); same(known.record, app) {
				continue
			}
		}
		if err := to.setApp(ctx, app); err != nil {
			return changed, fmt.Errorf("set %s: %w", app.Name, err)
		}
		changed = append(changed, app.Name)
	}
	return changed, nil
}

// current reads the topic to its end.
func current(ctx context.Context, log *eventlog.Log) (*View, error) {
	if _, err := log.Partitions(ctx, eventlog.ControlTopic); errors.Is(err, eventlog.ErrUnknownTopic) {
		return nil, fmt.Errorf("read %s: %w", eventlog.ControlTopic, err) // a view would wait for it
	}
	v := Open(log)
	reading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- v.Run(reading) }()
	select {
	case <-v.Ready():
		stop()
		return v, <-ended
	case err := <-ended:
		stop()
		if err == nil {
			err = fmt.Errorf("read %s: %w", eventlog.ControlTopic, context.Cause(ctx))
		}
		return nil, err
	}
}

// ErrKeyTaken is in the error of a change that gives an app the API key of
// another one.
var ErrKeyTaken = errors.New("is already a key of app")

// checkOthers refuses an API key that belongs to an app beside those of the
// file: two apps would answer to it.
func checkOthers(now *View, apps []*schemas.App) error {
	named := make(map[string]bool)
	for _, app := range apps {
		named[app.Name] = true
	}
	keys := now.state.Load().keys
	for _, app := range apps {
		for _, k := range app.ApiKeys {
			if a, taken := keys[[sha256.Size]byte(k.Sha256)]; taken && !named[a.Name] {
				return fmt.Errorf("key %q of app %s %w %s; allowed: a key of its own", k.Id, app.Name, ErrKeyTaken, a.Name)
			}
		}
	}
	return nil
}

// same compares the encoded apps: their fields have one order.
func same(a, b *schemas.App) bool {
	x, errA := a.MarshalVT()
	y, errB := b.MarshalVT()
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// setApp puts the app in force.
func (c *changer) setApp(ctx context.Context, app *schemas.App) error {
	event := func(app *schemas.App) *schemas.Event {
		return &schemas.Event{Kind: schemas.Kind_KIND_APP_SET, App: app.Name, AppSet: app}
	}
	return c.set(ctx, app.Name, event(app), event(withoutSecrets(app)))
}

// withoutSecrets is what may be kept for ever: a shared secret's SHA-256 tells
// that it changed, and not what it is.
func withoutSecrets(app *schemas.App) *schemas.App {
	c := clone(app)
	for _, k := range c.GetTokenKeys() {
		if k.Algorithm == HS256 {
			sum := sha256.Sum256(k.Key)
			k.Key = sum[:]
		}
	}
	return c
}
