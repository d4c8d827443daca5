package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// sequenceBlock is how many sequences one Save reserves. A restart leaves at
// most so many unused, which a 64-bit count does not miss.
const sequenceBlock = 1024

// Client is one device. Its methods may be called by several goroutines, before
// and while Run runs.
type Client struct {
	// Fixed after New.
	cfg   Config
	queue chan *delivery // from the reader to the handler goroutine; never closed
	wake  chan struct{}  // to the writer: there may be something to write; never closed
	again chan struct{}  // from Relogin to Run's goroutine; one place, never closed
	slots chan struct{}  // one for each call that is held or whose response is owed
	slow  *time.Timer    // fires when a handler runs for a second

	// Owned by the handler goroutine.
	hand hand

	// Owned by the writer.
	comp *wire.Compressor // nil until it is needed

	// Owned by Run's goroutine.
	decomp    *wire.Decompressor // nil until it is needed
	decompMax int

	saving sync.Mutex // one Save at a time; taken before mu

	mu        sync.Mutex
	running   bool
	stopped   error              // why Run has returned; nil before the first Run
	abort     context.CancelFunc // ends this Run
	broken    error              // the store's error that ended it
	state     State              // as saved
	used      uint64             // highest sequence that was used
	conn      *conn              // the one that is logged in, or nil
	gen       uint64             // connections so far; only what came on the last one is handed over
	room      int                // bytes that the body of an uplink may have
	backoff   backoff
	uplinks   outbox           // requests of the application's families
	logged    map[uint64]*call // uplinks that are in the log and whose response is still owed, by sequence
	reports   outbox           // requests of family 0: opened, logout
	handling  uint64           // position of the push that the handler has now; 0 = none
	handlingT time.Time
}

// New checks the configuration. Nothing is started and nothing read until Run.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{
		cfg:     cfg,
		queue:   make(chan *delivery, cfg.Window+1), // and a resumed
		wake:    make(chan struct{}, 1),
		again:   make(chan struct{}, 1),
		slots:   make(chan struct{}, cfg.MaxUplinks),
		room:    defaultMaxFrame - wire.UplinkPrefixSize,
		backoff: backoff{base: cfg.BackoffBase, limit: cfg.BackoffCap},
	}
	c.logged = map[uint64]*call{}
	free := func() { <-c.slots }
	c.uplinks.free, c.reports.free = free, free
	c.slow = time.AfterFunc(time.Hour, c.sayReceivedLate)
	c.slow.Stop()
	return c, nil
}

// Run keeps the device connected until ctx ends (nil), until a gate says that
// it must not come back (*[ClosedError]), or until its state cannot be kept
// (*[StoreError]). It waits for a Handler that is at work, saves the cursor and
// acknowledges it before it returns; everything that still waits for an answer
// then ends with [ErrStopped]. It may be called again afterwards.
func (c *Client) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.start(cancel); err != nil {
		return err
	}
	var handler, writer sync.WaitGroup
	stopWriter := make(chan struct{})
	handler.Go(func() { c.handleAll(ctx) })
	writer.Go(func() { c.writeAll(stopWriter) })

	err := c.stay(ctx)

	cancel()
	handler.Wait()
	close(stopWriter)
	writer.Wait()
	return c.stop(err)
}

// start loads the state.
func (c *Client) start(abort context.CancelFunc) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return ErrRunning
	}
	state, err := c.cfg.Store.Load()
	if err != nil {
		return &StoreError{Err: err}
	}
	c.running, c.stopped, c.broken, c.abort = true, nil, nil, abort
	c.state, c.used = state, max(c.used, state.Sequence)
	c.hand = hand{dedupe: NewDedupe(state.Cursor), user: state.User}
	return nil
}

// stop ends what waits, and decides what Run returns.
func (c *Client) stop(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.stopTimers()
		c.conn.nc.Close()
		c.conn = nil
	}
	c.purge()
	if c.broken != nil {
		err = c.broken
	}
	c.running, c.stopped = false, ErrStopped
	if err != nil {
		c.stopped = errors.Join(ErrStopped, err)
	}
	c.uplinks.endAll(c.stopped)
	for sequence, call := range c.logged {
		c.endLogged(sequence, call, Response{}, c.stopped)
	}
	c.reports.endAll(c.stopped)
	return err
}

// stay connects again and again. It returns nil when ctx has ended.
func (c *Client) stay(ctx context.Context) error {
	to := addresses{configured: c.cfg.Addresses, known: c.lastGates()}
	for {
		address := to.next()
		err := c.connect(ctx, address, &to)
		if ctx.Err() != nil {
			return nil
		}
		wait, final := c.judge(err, &to)
		c.cfg.Log.Info("disconnected", "address", address, "err", err, "wait", wait)
		c.cfg.OnNotice(Notice{Kind: Disconnected, Address: address, Err: err, Wait: wait})
		if final != nil {
			return final
		}
		if !c.rest(ctx, wait) {
			return nil
		}
	}
}

// connect dials one gate, logs in and reads until the connection ends.
func (c *Client) connect(ctx context.Context, address string, to *addresses) error {
	c.cfg.OnNotice(Notice{Kind: Connecting, Address: address})
	token, err := c.token(ctx)
	if err != nil {
		return err
	}
	dialing, cancel := context.WithTimeout(ctx, c.cfg.AnswerTimeout)
	nc, err := c.cfg.Dial(dialing, address)
	cancel()
	if err != nil {
		to.failed()
		return fmt.Errorf("dial gate: %w", err)
	}
	conn := newConn(nc)
	defer context.AfterFunc(ctx, conn.leave)()
	welcome, err := c.logIn(ctx, conn, token)
	if err != nil {
		to.failed()
		nc.Close()
		return err
	}
	to.loggedIn(address, welcome.Address, welcome.Others)
	if err := c.attach(conn, welcome, to.known); err != nil {
		nc.Close()
		return err
	}
	c.cfg.Log.Info("connected", "address", address)
	c.cfg.OnNotice(Notice{Kind: Connected, Address: address})
	err = c.read(ctx, conn)
	if ctx.Err() == nil { // else the writer still has an ack to write
		err = c.detach(conn, err)
	}
	return err
}

// attach makes conn the one that is written to.
func (c *Client) attach(conn *conn, w *schemas.Welcome, gates []string) error {
	if err := c.save(func(s *State) { s.loggedIn(w.Ticket, gates) }); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.again) > 0 {
		return errRelogin // the login was under way when it was asked for
	}
	conn.maxBody, conn.zstd = defaultMaxFrame, w.Zstd
	if n := w.GetLimits().GetMaxFrame(); n > 0 {
		conn.maxBody = n
	}
	c.gen++
	conn.gen = c.gen
	c.room = int(conn.maxBody) - wire.UplinkPrefixSize
	c.uplinks.endTooLarge(c.room)
	c.uplinks.reconnected()
	c.reports.reconnected()
	c.conn = conn
	c.purge()
	c.startHeartbeat(conn, time.Duration(w.Heartbeat)*time.Millisecond)
	c.poke()
	return nil
}

// purge drops what waits from older connections: this one repeats it, and a
// handler that waits for an answer must not keep the reader from reading it.
// What the handler goroutine takes meanwhile it drops itself, by the number of
// the connection, so nothing behind can be handed over before it. The caller
// holds mu.
func (c *Client) purge() {
	for {
		select {
		case <-c.queue:
		default:
			return
		}
	}
}

// detach takes conn out of use; the first reason why it ended is returned.
func (c *Client) detach(conn *conn, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = nil
	conn.stopTimers()
	conn.nc.Close()
	if conn.saidIt != nil {
		close(conn.saidIt)
		conn.saidIt = nil
	}
	return conn.blame(err)
}

// judge decides what follows the end of a connection: a wait, or the end.
func (c *Client) judge(err error, to *addresses) (wait time.Duration, final error) {
	var closed *closing
	var redirect *redirection
	c.mu.Lock()
	broken := c.broken
	if !errors.Is(err, errRelogin) {
		wait = c.backoff.next()
	}
	c.mu.Unlock()
	switch {
	case broken != nil:
		return 0, broken
	case errors.As(err, &redirect):
		to.first = redirect.address
	case errors.As(err, &closed):
		to.first = closed.address
		return c.obey(closed, wait)
	}
	return wait, nil
}

// obey does what a close asks for.
func (c *Client) obey(closed *closing, wait time.Duration) (time.Duration, error) {
	do := answerTo(closed.reason)
	if err := c.prepare(do); err != nil {
		return 0, err
	}
	if do.stop || !closed.reconnect {
		return 0, &ClosedError{Reason: closed.reason, Message: closed.message}
	}
	if do.long {
		wait = c.cfg.BackoffCap + upTo(c.cfg.BackoffCap)
	}
	return max(wait, after(closed.after)), nil
}

// prepare changes the state that the next login is made from.
func (c *Client) prepare(do answer) error {
	if !do.forget && !do.newInstall {
		return nil
	}
	return c.save(func(s *State) {
		if do.forget {
			s.Ticket = nil
		}
		if do.newInstall {
			s.Install, s.Count = newInstall(), 0
		}
	})
}

// save changes the state and stores it; nobody sees the change before it is
// stored. If that fails, Run ends.
func (c *Client) save(change func(*State)) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	next := c.state
	c.mu.Unlock()
	change(&next)
	err := c.cfg.Store.Save(next)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.broken = &StoreError{Err: err}
		c.abort()
		return c.broken
	}
	c.state = next
	return nil
}

// poke tells the writer that there may be something to write.
func (c *Client) poke() {
	select {
	case c.wake <- struct{}{}:
	default: // it has been told and has not looked yet
	}
}
