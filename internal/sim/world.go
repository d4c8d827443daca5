package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"waybill/delivery"
	"waybill/internal/control"
	"waybill/schemas"
)

// The one user of the simulation.
const (
	app     = "app"
	user    = "u"
	userKey = app + "/" + user
)

// Times are short, so that a schedule meets all of them; what counts is their
// order. Frames of pushes are either under or over the small limit.
const (
	tick       = 1000 // microseconds that each record takes
	second     = int64(time.Second / time.Microsecond)
	lease      = time.Second
	smallFrame = 100
	bigFrame   = 1000

	began = 1_700_000_000 * second
)

func settings(rnd *rand.Rand) delivery.Settings {
	return delivery.Settings{
		AckTimer: 2 * time.Second, Handling: 5 * time.Second,
		Window: 3, Mailbox: 3 + rnd.IntN(4),
		Lease: lease, SilentLeases: 3,
		Policy: policy(rnd),
		Burst:  []int{1, 2, 4096}[rnd.IntN(3)],
		Idle:   time.Duration(1+rnd.IntN(20)) * time.Millisecond,
	}
}

// policy of the app: in some schedules sessions expire.
func policy(rnd *rand.Rand) delivery.Policy {
	p := delivery.Policy{Devices: schemas.DevicePolicy(rnd.IntN(3))}
	if rnd.IntN(4) == 0 {
		p.SessionExpiry = time.Duration(4+rnd.IntN(8)) * time.Second
	}
	if rnd.IntN(2) == 0 {
		p.UnreachedAfter = time.Duration(1+rnd.IntN(4)) * time.Second
	}
	return p
}

// world is one schedule at work.
type world struct {
	// Fixed when the schedule begins.
	off         Faults
	seed        uint64
	source      *rand.PCG
	rnd         *rand.Rand // of source
	settings    delivery.Settings
	policies    []delivery.Policies // that came after it, oldest first
	revocations []control.Revocation
	poison      schemas.ID // a push on which the application always crashes
	bounceOlder bool       // gates bounce for their older incarnations too
	trouble     trouble    // what happens at all
	box         int        // commands that a worker keeps for one gate

	// The topics.
	clock      int64
	behind     int64 // is the clock of the gates topic
	log        []record
	gatesTopic []gateRecord
	dispatch   [gates][]*schemas.Command

	// Who is there.
	lives     []*gateLife
	current   [gates]*gateLife
	conns     []*conn
	devices   []*device // "a", "b", and perhaps a clone of one
	workers   []*worker
	assigned  *worker
	projector *projector
	ingest    producer
	check     *check

	// How many there have been.
	origins                            uint64
	sessions, installs, names, unnamed int

	calm     bool        // no more faults
	restored bool        // a device had its storage restored
	missing  bool        // a command was lost
	away     [gates]bool // partitions of dispatch that take nothing
	noEvents bool        // nor does that of events
	noSigns  bool        // no worker hears of the gates
	noRows   bool        // no worker reads rows
	failure  string
	rule     string // the failure's format
	stats    Stats

	show  bool
	lines []string
}

type gateRecord struct {
	at    int64
	key   uint32 // gate number; 0 is delivery's tick
	event *schemas.Event
}

func newWorld(s Schedule, show bool) *world {
	w := &world{off: s.Off, seed: s.Seed, source: rand.NewPCG(s.Seed, 0), show: show, clock: began}
	w.rnd = rand.New(w.source)
	w.settings = settings(w.rnd)
	w.bounceOlder, w.trouble = w.rnd.IntN(2) == 0, (newTrouble(w.rnd)|s.Meets)&^s.spared
	if w.trouble.has(onlyOne) {
		w.settings.Policy.Devices = schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER
	}
	w.box = []int{1, 2, 5, 1000}[w.rnd.IntN(4)]
	if w.rnd.IntN(3) == 0 || w.trouble.has(poisonous) {
		w.poison = number('p', 1+w.rnd.IntN(5))
	}
	w.projector, w.check = newProjector(), newCheck(w)
	w.ingest = w.producer()
	for i := range 2 {
		d := &device{w: w, index: i, name: string(rune('a' + i)), platform: platforms[w.rnd.IntN(len(platforms))]}
		d.renew()
		w.devices = append(w.devices, d)
	}
	for n := range gates {
		w.newGate(uint32(n + 1))
	}
	w.newWorker()
	return w
}

// draw begins the draws of one turn. They depend on nothing that came before.
func (w *world) draw(turn uint64) { w.source.Seed(w.seed, turn) }

func (w *world) producer() producer {
	w.origins++
	return producer{origin: w.origins}
}

// number makes an id that can be read in a transcript.
func number(kind byte, n int) schemas.ID {
	id := schemas.ID{0: kind}
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func (w *world) say(format string, args ...any) {
	if w.show {
		w.lines = append(w.lines, fmt.Sprintf("%6d ms  ", w.since())+fmt.Sprintf(format, args...))
	}
}

// fail notes the first thing that must not be.
func (w *world) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure, w.rule = fmt.Sprintf(format, args...), format
		w.say("*** %s", w.failure)
	}
}

// compacted says that a record of the gates topic was removed before a reader
// that came when compaction had reached cut.
func (w *world) compacted(index, cut int) bool {
	for i := index + 1; i < cut; i++ {
		if w.gatesTopic[i].key == w.gatesTopic[index].key {
			return true
		}
	}
	return false
}

// loses says whether the command disappears between worker and gate.
func (w *world) loses(m *schemas.Command) bool {
	if w.calm || !w.trouble.has(lostCommands) || m.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE || w.rnd.IntN(15) > 0 {
		return false
	}
	w.missing = true
	return true
}

// push accepts one push and says at which index its record stands.
func (w *world) push(b *schemas.Pushed, device string) int {
	b.Digest = b.DigestFor(device)
	index := len(w.log)
	w.names++
	trace := number('t', w.names)
	w.ingest.add(fact{event: &schemas.Event{
		Kind: schemas.Kind_KIND_PUSHED, TraceId: trace[:], App: app, User: user, Device: device, Time: w.clock, Pushed: b,
	}})
	w.flush(&w.ingest)
	return index
}

var platforms = [...]string{"ios", "android"}

// randomPush is a push of some kind: named or not, new or a retry, later, for
// one device, large, or collapsing older ones.
func (w *world) randomPush() {
	r := w.rnd
	b := &schemas.Pushed{Ttl: int64(r.IntN(5)) * 1000, Body: bodies[r.IntN(len(bodies))], Family: 1, FirstDeviceWins: r.IntN(5) == 0}
	switch {
	case w.trouble.has(longTTL):
		b.Ttl = 3_600_000
	case w.trouble.has(zeroTTL):
		b.Ttl = 0
	}
	w.name(b)
	device := ""
	switch r.IntN(16) {
	case 0, 1, 2, 3:
		b.CollapseKey = "k"
	case 4, 5:
		b.DeliverAt = w.clock + int64(r.IntN(3000))*1000
	case 6:
		device = w.devices[r.IntN(2)].name
	}
	w.push(b, device)
}

var bodies = [...][]byte{{1}, {1}, {1}, {2}, make([]byte, smallFrame)}

func (w *world) name(b *schemas.Pushed) {
	n := w.names + 1
	switch w.rnd.IntN(8) {
	case 0:
		n = 1 + w.rnd.IntN(n) // a retry of an earlier call, or an id that comes later
	case 1, 2:
		w.unnamed++
		id := number('n', w.unnamed)
		b.PushId = id[:]
		return
	case 3:
		if w.unnamed > 0 { // a retry under an id that Waybill drew
			id := number('n', 1+w.rnd.IntN(w.unnamed))
			b.PushId, b.Name = id[:], "n"
			return
		}
	}
	id := number('p', n)
	b.PushId, b.Name = id[:], "p"
}

func (w *world) cancel() {
	id := number('p', 1+w.rnd.IntN(w.names+2))
	w.ingest.add(fact{event: &schemas.Event{
		Kind: schemas.Kind_KIND_CANCEL_ASKED, App: app, User: user, Time: w.clock,
		CancelAsked: &schemas.CancelAsked{PushId: id[:], Name: "p"},
	}})
	w.flush(&w.ingest)
}
