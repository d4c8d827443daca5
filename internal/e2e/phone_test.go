package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"waybill/client"
	"waybill/internal/e2e/radio"
)

// phone is a device with an application that notes what it is handed.
type phone struct {
	radio.Coverage
	radio.Reception
	user, device string
	client       *client.Client
	stop         func() error // ends Run and returns its error

	mu       sync.Mutex
	handled  []client.Push
	disorder []string // what may never happen
	at       bool     // the application works on a push
}

func (p *phone) name() string { return p.user + "/" + p.device }

// phone switches a device on; it is switched off with the test.
func (w *world) phone(user, device string, edit ...func(*client.Config)) *phone {
	w.t.Helper()
	p := &phone{user: user, device: device}
	p.start(w.t, w, edit...)
	return p
}

// start switches the phone on.
func (p *phone) start(t testing.TB, w *world, edit ...func(*client.Config)) {
	t.Helper()
	cfg := client.Config{
		Addresses: w.gates, Platform: "android", Version: "e2e", NoCompression: true,
		Token:    func(context.Context) (string, error) { return w.App.Token(p.user, p.device) },
		Handler:  p.handle,
		OnNotice: p.Notice,
		Dial:     p.Dial,
		// A phone would wait longer; here it only makes the test longer.
		BackoffBase: 20 * time.Millisecond, BackoffCap: time.Second,
	}
	for _, f := range edit {
		f(&cfg)
	}
	var err error
	if p.client, err = client.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.client.Run(ctx) }()
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("%s stopped: %v", p.name(), err)
		}
	})
}

// handle is the application: it checks nothing but what it was promised.
func (p *phone) handle(_ context.Context, push client.Push) error {
	p.mu.Lock()
	if n := len(p.handled); n > 0 && push.Position <= p.handled[n-1].Position {
		p.disorder = append(p.disorder, fmt.Sprintf("%s: push at %d came after the one at %d", p.name(), push.Position, p.handled[n-1].Position))
	}
	p.handled = append(p.handled, push)
	p.mu.Unlock()
	p.Ring()
	return nil
}

// got is what the application has been handed so far.
func (p *phone) got() []client.Push {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled[:len(p.handled):len(p.handled)]
}

// await waits until cond holds of the phone.
func (p *phone) await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	awaitRing(t, &p.Bell, what, cond)
}

// awaitPushes waits until the application has been handed n pushes.
func (p *phone) awaitPushes(t testing.TB, n int) []client.Push {
	t.Helper()
	p.await(t, fmt.Sprintf("push %d at %s", n, p.name()), func() bool { return len(p.got()) >= n })
	return p.got()
}

// slowly is an application that works on a push until the channel is closed.
func (p *phone) slowly(done <-chan struct{}) func(context.Context, client.Push) error {
	return func(ctx context.Context, push client.Push) error {
		p.work(true)
		defer p.work(false)
		select {
		case <-done:
			return p.handle(ctx, push)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *phone) work(at bool) {
	p.mu.Lock()
	p.at = at
	p.mu.Unlock()
	p.Ring()
}

func (p *phone) working() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// turnedAway is how many tries ended before they were a connection.
func (p *phone) turnedAway() int { return len(p.Ends()) - p.Homes() }
