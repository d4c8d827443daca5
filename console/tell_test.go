package console

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

// story builds the rows of one trace by hand. Places rise with each row, as if
// all of it stood in one partition.
type story struct {
	hops        []Hop
	connections []Connection
	place       uint64
	push        uint64
}

var noon = time.Date(2026, 11, 25, 12, 3, 7, 100_000_000, time.UTC)

func at(after time.Duration) time.Time { return noon.Add(after) }

func conn(gate uint32, number uint64) schemas.ConnID {
	return schemas.ConnID{Gate: gate, Incarnation: 17, Number: number}
}

func (s *story) hop(kind string, rank uint8, after time.Duration, change func(*Hop)) {
	s.place++
	h := Hop{Trace: schemas.ID{0: 1, 15: 0xff}, Push: schemas.ID{3}, Position: s.push, Kind: kind, Rank: rank, At: at(after), App: "freight", User: "driver-7", Place: s.place}
	if change != nil {
		change(&h)
	}
	s.hops = append(s.hops, h)
}

func (s *story) pushed(user string) {
	s.push = s.place + 1
	s.hop("pushed", 2, 0, func(h *Hop) { h.Node, h.Size, h.User = "ingest-1@a", 42, user })
}

// sent is told by one record: the command's time and the gate's.
func (s *story) sent(device string, c schemas.ConnID, attempt uint32, after time.Duration) {
	s.hop("dispatched", 10, after-time.Millisecond, func(h *Hop) { h.Device, h.Conn, h.Attempt, h.Node = device, c, attempt, "delivery" })
	s.place--
	s.hop("sent", 21, after, func(h *Hop) { h.Device, h.Conn, h.Attempt, h.Node = device, c, attempt, gate(c) })
}

func (s *story) delivered(device string, c schemas.ConnID, attempt uint32, after time.Duration) {
	s.hop("acked", 30, after, func(h *Hop) { h.Device, h.Conn, h.Attempt, h.Node = device, c, attempt, gate(c) })
	s.place--
	s.hop("outcome", 50, after+time.Millisecond, func(h *Hop) {
		h.Device, h.Conn, h.Attempt, h.Node, h.Class, h.Reason = device, c, attempt, "delivery-1@a", "delivered", "acked"
	})
}

func (s *story) ended(class, reason string, after time.Duration) {
	s.hop("outcome", 50, after, func(h *Hop) { h.Node, h.Class, h.Reason = "delivery-1@a", class, reason })
}

func (s *story) connected(device string, c schemas.ConnID, how string, after time.Duration) {
	s.place++
	s.connections = append(s.connections, Connection{Kind: "connected", How: how, At: at(after), App: "freight", User: "driver-7", Device: device, Conn: c, Node: gate(c), Place: s.place})
}

func (s *story) disconnected(device string, c schemas.ConnID, reason string, after time.Duration) {
	s.place++
	s.connections = append(s.connections, Connection{Kind: "disconnected", Reason: reason, At: at(after), App: "freight", User: "driver-7", Device: device, Conn: c, Node: gate(c), Place: s.place})
}

func gate(c schemas.ConnID) string { return "gate-" + string(rune('0'+c.Gate)) + "@b" }

var stories = map[string]func(*story){
	"delivered at once": func(s *story) {
		s.connected("phone", conn(1, 5), "login", -time.Hour)
		s.pushed("driver-7")
		s.sent("phone", conn(1, 5), 1, 3*time.Millisecond)
		s.delivered("phone", conn(1, 5), 1, 41*time.Millisecond)
		s.disconnected("phone", conn(1, 5), "peer_closed", time.Minute)
	},
	"for later": func(s *story) {
		s.connected("phone", conn(1, 5), "login", -time.Hour)
		s.pushed("driver-7")
		s.hop("released", 4, time.Minute, func(h *Hop) { h.Node, h.Push = "delivery-1@a", schemas.ID{} })
		s.push = s.place
		s.sent("phone", conn(1, 5), 1, time.Minute+3*time.Millisecond)
		s.delivered("phone", conn(1, 5), 1, time.Minute+41*time.Millisecond)
	},
	"survives a tunnel": func(s *story) {
		s.connected("phone", conn(2, 5), "login", -time.Hour)
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, 3*time.Millisecond)
		s.disconnected("phone", conn(2, 5), "ack_timeout", 10*time.Second)
		s.connected("phone", conn(1, 9), "resume", 11*time.Second)
		s.sent("phone", conn(1, 9), 2, 11*time.Second+4*time.Millisecond)
		s.delivered("phone", conn(1, 9), 2, 11*time.Second+50*time.Millisecond)
	},
	"acknowledged by the next cursor": func(s *story) {
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, 3*time.Millisecond)
		s.disconnected("phone", conn(2, 5), "io_error", time.Second)
		s.connected("phone", conn(1, 9), "resume", 2*time.Second)
		s.delivered("phone", conn(1, 9), 1, 2*time.Second+time.Millisecond)
	},
	"waits for the only device": func(s *story) {
		s.connected("phone", conn(2, 5), "login", -time.Hour)
		s.disconnected("phone", conn(2, 5), "heartbeat_timeout", -7*time.Second)
		s.pushed("driver-7")
	},
	"nobody is connected": func(s *story) {
		s.connected("phone", conn(2, 5), "login", -time.Hour)
		s.disconnected("phone", conn(2, 5), "heartbeat_timeout", -7*time.Second)
		s.pushed("driver-7")
		s.hop("unreached", 5, 3*time.Second, func(h *Hop) { h.Node = "delivery-1@a" })
	},
	"waits for two devices": func(s *story) {
		s.connected("phone", conn(2, 5), "login", -26*time.Hour)
		s.disconnected("phone", conn(2, 5), "io_error", -25*time.Hour)
		s.connected("tablet", conn(2, 6), "login", -time.Hour)
		s.disconnected("tablet", conn(2, 6), "io_error", -time.Minute)
		s.pushed("driver-7")
	},
	"waits for a user nobody has seen": func(s *story) { s.pushed("driver-7") },
	"written and not acknowledged yet": func(s *story) {
		s.connected("phone", conn(2, 5), "login", -time.Hour)
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, 3*time.Millisecond)
	},
	"written and the connection closed": func(s *story) {
		s.connected("phone", conn(2, 5), "login", -time.Hour)
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, 3*time.Millisecond)
		s.disconnected("phone", conn(2, 5), "ack_timeout", 10*time.Second+3*time.Millisecond)
	},
	"turned back": func(s *story) {
		s.connected("phone", conn(2, 5), "login", -time.Hour)
		s.pushed("driver-7")
		s.disconnected("phone", conn(2, 5), "peer_closed", time.Millisecond)
		s.hop("dispatched", 10, 2*time.Millisecond, func(h *Hop) { h.Device, h.Conn, h.Attempt, h.Node = "phone", conn(2, 5), 1, "delivery" })
		s.place--
		s.hop("bounced", 20, 3*time.Millisecond, func(h *Hop) {
			h.Device, h.Conn, h.Attempt, h.Node, h.Reason = "phone", conn(2, 5), 1, gate(conn(2, 5)), "unknown_connection"
		})
	},
	"lost": func(s *story) {
		s.pushed("driver-7")
		s.ended("lost", "never_connected", 24*time.Hour)
	},
	"withdrawn": func(s *story) {
		s.pushed("driver-7")
		s.ended("withdrawn", "duplicate", time.Millisecond)
	},
	"unconfirmed": func(s *story) {
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, 3*time.Millisecond)
		s.disconnected("phone", conn(2, 5), "ack_timeout", 10*time.Second)
		s.ended("unconfirmed", "sent_unacked", time.Minute)
	},
	"two devices": func(s *story) {
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, 3*time.Millisecond)
		s.sent("tablet", conn(1, 6), 1, 4*time.Millisecond)
		s.disconnected("tablet", conn(1, 6), "io_error", 20*time.Millisecond)
		s.delivered("phone", conn(2, 5), 1, 30*time.Millisecond)
		s.sent("tablet", conn(1, 8), 2, 60*time.Second)
		s.delivered("tablet", conn(1, 8), 2, 61*time.Second)
	},
	"two users": func(s *story) {
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, 3*time.Millisecond)
		s.delivered("phone", conn(2, 5), 1, 30*time.Millisecond)
		s.pushed("driver-8")
	},
	"clocks disagree": func(s *story) {
		s.pushed("driver-7")
		s.sent("phone", conn(2, 5), 1, -250*time.Millisecond)
		s.delivered("phone", conn(2, 5), 1, -200*time.Millisecond)
	},
	"uplink": func(s *story) {
		s.push = 12
		s.hop("uplinked", 2, 0, func(h *Hop) {
			h.Push, h.Device, h.Conn, h.Node, h.Size, h.Topic = schemas.ID{}, "phone", conn(2, 5), gate(conn(2, 5)), 12, "waybill.uplink.freight"
		})
	},
	"refused": func(s *story) {
		s.hop("refused", 1, 0, func(h *Hop) { h.Push, h.Node, h.Reason = schemas.ID{}, "ingest-1@a", "log_away" })
	},
	"only its end": func(s *story) { s.hop("opened", 40, 0, func(h *Hop) { h.Device, h.Node = "phone", "gate-2@b" }) },
}

func TestTell(t *testing.T) {
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			var s story
			tell(&s)
			got := Tell(s.hops, s.connections).Text()
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Rows come in any order, and twice where ClickHouse has them twice.
func TestTellNeedsNoOrder(t *testing.T) {
	for name, tell := range stories {
		var s story
		tell(&s)
		want := Tell(s.hops, s.connections).Text()
		hops := append(append([]Hop{}, s.hops...), s.hops...)
		connections := append(append([]Connection{}, s.connections...), s.connections...)
		r := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			r.Shuffle(len(hops), func(i, j int) { hops[i], hops[j] = hops[j], hops[i] })
			r.Shuffle(len(connections), func(i, j int) { connections[i], connections[j] = connections[j], connections[i] })
			if diff := cmp.Diff(want, Tell(hops, connections).Text()); diff != "" {
				t.Fatalf("%s: another order tells something else (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 ms", 1_400 * time.Microsecond: "1.4 ms", 41 * time.Millisecond: "41 ms", 1300 * time.Millisecond: "1.3 s",
		42 * time.Second: "42 s", 125 * time.Second: "2 min 5 s", 3*time.Hour + 12*time.Minute: "3 h 12 min", 51 * time.Hour: "2 d 3 h",
		-2 * time.Second: "−2.0 s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

// TestOnly: who asks for one push of a call to two sees that one, and how many
// more there are.
func TestOnly(t *testing.T) {
	push := schemas.ID{15: 7}
	trace := Trace{State: StateMixed, Messages: []Message{
		{User: "u1", PushID: schemas.ID{15: 6}.String(), State: StateInFlight, Verdict: "waiting"},
		{User: "u2", PushID: push.String(), State: "delivered", Verdict: "delivered"},
	}}
	trace.only(schemas.ID{15: 1})
	if len(trace.Messages) != 2 || trace.Others != 0 {
		t.Errorf("a trace id leaves %d messages and %d others, want 2 and 0", len(trace.Messages), trace.Others)
	}
	trace.only(push)
	if len(trace.Messages) != 1 || trace.Messages[0].User != "u2" || trace.Others != 1 || trace.State != "delivered" {
		t.Errorf("the push leaves %+v", trace)
	}
}
