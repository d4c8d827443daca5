package crash

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"waybill/client"
	"waybill/internal/e2e/ledger"
	"waybill/internal/e2e/radio"
)

// phone is a device with an application that notes what it is handed, and
// compares it with nothing but what it was promised.
type phone struct {
	radio.Coverage
	radio.Reception
	ledger.Device
	config client.Config
	stop   func() error // ends Run and returns its error; of one goroutine at a time
	early  bool         // it connected before the first push: every push of its user is for it
	app    string       // empty = freight
	// replaced: its user logs in with another phone, and may have only one.
	replaced bool

	mu       sync.Mutex
	notes    []note
	handled  map[int]uint64 // positions of what was handed over, by the caller's number
	wrong    []violation
	restarts int
}

// note of one push that the application was handed.
type note struct {
	client.Push
	at     time.Time
	number int // the caller's
}

func (p *phone) name() string { return p.User + "/" + p.Device.Device }

// troubles of every phone: about ten connections a minute, a third of them lost
// unnoticed, in tunnels that outlast the ack timer now and then.
func (s *site) troubles() radio.Troubles {
	return radio.Troubles{Reads: 12, Tunnel: 5 * time.Second, Elsewhere: s.gates()}
}

func (s *site) gates() []string { return []string{s.at(portGates + 1), s.at(portGates + 2)} }

// start switches the phone on for the first time.
func (p *phone) start(s *site) error {
	p.handled = make(map[int]uint64)
	p.config = client.Config{
		Addresses: s.gates(), Platform: "android", Version: "crash", NoCompression: true,
		Token: func(context.Context) (string, error) {
			return s.apps[cmp.Or(p.app, freight)].Token(p.User, p.Device.Device)
		},
		Handler:  p.handle,
		OnNotice: p.Notice,
		Dial:     p.Dial,
		Store:    new(client.MemoryStore), // outlives the application, as a phone's storage does
		// A phone would wait longer; here it only makes the run longer.
		BackoffBase: 50 * time.Millisecond, BackoffCap: 2 * time.Second, AnswerTimeout: 5 * time.Second,
	}
	return p.launch()
}

// launch starts the application on what the phone's storage has.
func (p *phone) launch() error {
	c, err := client.New(p.config)
	if err != nil {
		return fmt.Errorf("launch the application of %s: %w", p.name(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	return nil
}

// restart ends the application and launches it again.
func (p *phone) restart() error {
	if err := p.stop(); err != nil {
		return fmt.Errorf("stop the application of %s: %w", p.name(), err)
	}
	p.mu.Lock()
	p.restarts++
	p.mu.Unlock()
	return p.launch()
}

// handle is the application.
func (p *phone) handle(_ context.Context, push client.Push) error {
	n := note{at: time.Now(), Push: push}
	if err := json.Unmarshal(push.Body, &n.number); err != nil {
		return fmt.Errorf("read the body of %d: %w", push.Position, err)
	}
	p.mu.Lock()
	p.judge(n)
	p.notes = append(p.notes, n)
	p.handled[n.number] = n.Position
	p.mu.Unlock()
	p.Ring()
	return nil
}

// judge is called with mu held, before the note is taken.
func (p *phone) judge(n note) {
	at := ledger.Place{User: p.User, Position: n.Position}
	if k := len(p.notes); k > 0 && n.Position <= p.notes[k-1].Position {
		p.wrong = append(p.wrong, violation{place: at, device: p.Device.Device, what: "out of order",
			say: fmt.Sprintf("was handed over after position %d", p.notes[k-1].Position)})
	}
	if before, ok := p.handled[n.number]; ok {
		p.wrong = append(p.wrong, violation{place: at, device: p.Device.Device, what: "seen twice",
			say: fmt.Sprintf("is push %d of the office, which was handed over at position %d", n.number, before)})
	}
}

// got is what the application has been handed so far.
func (p *phone) got() []note {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.notes[:len(p.notes):len(p.notes)]
}

// violations that the application has seen.
func (p *phone) violations() []violation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrong
}
