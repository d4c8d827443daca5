package client

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestOutboxKeepsOrder plays an outbox against a model of a gate that refuses
// at random and loses connections: what the gate logs for the first time is in
// order, and everything held ends up there.
func TestOutboxKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &outboxModel{now: time.Unix(1000, 0), box: outbox{free: func() {}}}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 11).Draw(t, "step") {
			case 0, 1:
				m.add()
			case 2, 3, 4:
				m.write(t)
			case 5, 6:
				m.gateReads(rapid.IntRange(0, 3).Draw(t, "busy") == 0)
			case 7:
				m.now = m.now.Add(700 * time.Millisecond)
			case 8:
				m.giveUp(rapid.IntRange(0, 9).Draw(t, "which"))
			case 9:
				m.reconnect()
			case 10, 11:
				m.deviceReads()
			}
		}
		for range 1000 { // faults stop
			m.now = m.now.Add(time.Second)
			m.write(t)
			m.gateReads(false)
			m.deviceReads()
		}
		if len(m.box.calls) != 0 {
			t.Fatalf("%d calls are held for ever", len(m.box.calls))
		}
		if !slices.IsSorted(m.logged) {
			t.Fatalf("logged in the order %v", m.logged)
		}
	})
}

// outboxModel is the gate's side: it refuses everything above a refused
// sequence until that is accepted or given up.
type outboxModel struct {
	now     time.Time
	box     outbox
	last    uint64
	wire    []uplinkOnWire
	answers []func()
	refused uint64
	seen    uint64
	logged  []uint64 // first time only, as a reader by high-water mark sees it
}

type uplinkOnWire struct {
	call             *call
	sequence, lowest uint64
}

func (m *outboxModel) add() { m.box.add(&call{done: make(chan struct{})}) }

func (m *outboxModel) write(t *rapid.T) {
	c := m.box.next(m.now)
	if c == nil {
		return
	}
	if c.sequence == 0 {
		m.last++
		c.sequence = m.last
	}
	if c.written {
		t.Fatalf("call %d is written twice without an answer", c.sequence)
	}
	m.box.wrote(c)
	m.wire = append(m.wire, uplinkOnWire{c, c.sequence, m.box.lowest()})
}

func (m *outboxModel) gateReads(busy bool) {
	if len(m.wire) == 0 {
		return
	}
	u := m.wire[0]
	m.wire = m.wire[1:]
	held := m.refused != 0 && u.sequence > m.refused && u.lowest <= m.refused
	if busy || held {
		if !held {
			m.refused = u.sequence
		}
		m.answers = append(m.answers, func() { m.box.refused(u.call, m.now.Add(time.Second)) })
		return
	}
	if u.sequence >= m.refused {
		m.refused = 0
	}
	if u.sequence > m.seen {
		m.seen = u.sequence
		m.logged = append(m.logged, u.sequence)
	} else if !slices.Contains(m.logged, u.sequence) {
		m.logged = append(m.logged, u.sequence) // out of order: the check will tell
	}
	m.answers = append(m.answers, func() { m.box.remove(u.call) })
}

// deviceReads takes one answer, which was on its way for a while.
func (m *outboxModel) deviceReads() {
	if len(m.answers) > 0 {
		m.answers[0]()
		m.answers = m.answers[1:]
	}
}

func (m *outboxModel) giveUp(i int) {
	if i < len(m.box.calls) {
		m.box.giveUp(m.box.calls[i])
	}
}

func (m *outboxModel) reconnect() {
	m.wire, m.answers, m.refused = nil, nil, 0
	m.box.reconnected()
}
