package control

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// App is one app as of some record of the topic; it never changes.
type App struct {
	Name   string
	record *schemas.App
}

// TokenKey verifies device tokens with that kid: its algorithm, EdDSA or HS256,
// and the public key or shared secret. The key is not to be changed.
func (a *App) TokenKey(kid string) (algorithm string, key []byte, ok bool) {
	for _, k := range a.record.GetTokenKeys() {
		if k.GetId() == kid {
			return k.GetAlgorithm(), k.GetKey(), true
		}
	}
	return "", nil, false
}

// state is all of the topic as of one record; it is never changed once it is
// shown.
type state struct {
	apps        map[string]*App
	keys        map[[sha256.Size]byte]*App
	policies    map[string]Policy
	revoked     *revocations
	clusterKeys []ClusterKey
	asOf        schemas.Position // everything up to it has been read
	time        int64            // highest broker time seen, microseconds
	replaced    chan struct{}    // closed by the next one
}

// records are what has been read, by what each is about.
type records struct {
	apps        map[string]*schemas.App
	revoked     map[string]Revocation // by the record's key
	inForce     *revocations          // of revoked; nil after a change of it
	clusterKeys map[string]ClusterKey // by the record's key
	asOf        schemas.Position
	time        int64
}

func newRecords() *records {
	return &records{
		apps: make(map[string]*schemas.App), revoked: make(map[string]Revocation), clusterKeys: make(map[string]ClusterKey),
	}
}

// View is the topic as it has been read so far. Its methods may be called at any
// time, from anywhere.
type View struct {
	log   *eventlog.Log
	state atomic.Pointer[state]
	fresh atomic.Pointer[time.Time] // when it was surely complete; nil = never yet
	once  sync.Once
	ready chan struct{} // closed by Run
	shown func()        // called after each change; tests wait for it
}

// Open returns an empty view; Run fills it.
func Open(log *eventlog.Log) *View {
	v := &View{log: log, ready: make(chan struct{}), shown: func() {}}
	v.state.Store(&state{revoked: new(revocations), replaced: make(chan struct{})})
	return v
}

// Ready is closed when the topic has been read up to what was its end when Run
// began.
func (v *View) Ready() <-chan struct{} { return v.ready }

// App by its name.
func (v *View) App(name string) (*App, bool) {
	a, ok := v.state.Load().apps[name]
	return a, ok
}

// Names of all apps, in no order.
func (v *View) Names() []string {
	return slices.Collect(maps.Keys(v.state.Load().apps))
}

// ByAPIKey is the app whose app-server has that key.
func (v *View) ByAPIKey(key string) (*App, bool) {
	a, ok := v.state.Load().keys[sha256.Sum256([]byte(key))]
	return a, ok
}

// TokenKey of an app; see App.TokenKey.
func (v *View) TokenKey(app, kid string) (algorithm string, key []byte, ok bool) {
	if a, known := v.App(app); known {
		return a.TokenKey(kid)
	}
	return "", nil, false
}

// Run follows the topic until ctx ends.
func (v *View) Run(ctx context.Context) error {
	err := v.log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.ControlTopic, Serve: v.serve})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow %s: %w", eventlog.ControlTopic, err)
	}
	return nil
}

// fold applies one record. Strings and bytes of an entry share the memory of
// the whole fetch, so they are copied. A record without a value takes the one of
// its key back.
func (r *records) fold(entry *eventlog.Entry) {
	r.time = max(r.time, entry.Time)
	switch e := entry.Event; e.GetKind() {
	case schemas.Kind_KIND_APP_SET:
		if app := clone(e.GetAppSet()); app.GetName() != "" {
			r.apps[app.Name] = app
		}
	case schemas.Kind_KIND_APP_REMOVED:
		delete(r.apps, e.GetApp())
	case schemas.Kind_KIND_REVOKED:
		r.revoked[string(entry.Key)], r.inForce = revocationOf(entry), nil
	case schemas.Kind_KIND_CLUSTER_KEY_SET:
		r.clusterKeys[string(entry.Key)] = clusterKeyOf(entry)
	case schemas.Kind_KIND_UNSPECIFIED:
		if len(entry.Value) == 0 {
			delete(r.revoked, string(entry.Key))
			r.inForce = nil
			delete(r.clusterKeys, string(entry.Key))
		}
	}
}

// show puts what has been read in force.
func (v *View) show(read *records) {
	if read.inForce == nil {
		read.inForce = newRevocations(read.revoked)
	}
	s := &state{
		apps: make(map[string]*App), keys: make(map[[sha256.Size]byte]*App),
		policies: make(map[string]Policy), replaced: make(chan struct{}),
		revoked: read.inForce, clusterKeys: newestFirst(read.clusterKeys), asOf: read.asOf, time: read.time,
	}
	for name, record := range read.apps {
		a := &App{Name: name, record: record}
		s.apps[name], s.policies[name] = a, a.Policy()
		for _, k := range record.GetApiKeys() {
			if len(k.GetSha256()) == sha256.Size {
				s.keys[[sha256.Size]byte(k.GetSha256())] = a
			}
		}
	}
	close(v.state.Swap(s).replaced)
	v.shown()
}

// clone copies an app by way of its bytes.
func clone(app *schemas.App) *schemas.App {
	b, err := app.MarshalVT()
	if err != nil {
		return nil
	}
	c := &schemas.App{}
	if err := c.UnmarshalVT(b); err != nil {
		return nil
	}
	return c
}
