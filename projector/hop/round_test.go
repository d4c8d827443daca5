package hop

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"waybill/internal/eventlog"
)

// TestAMarkNamesAllOfItsRound, whatever the topics are and in whatever order
// they join, and has room for many origins besides.
func TestAMarkNamesAllOfItsRound(t *testing.T) {
	for _, test := range []struct {
		name   string
		topic  func(i int) string
		rounds int // of 128 members
	}{
		{"one topic", func(int) string { return eventlog.EventsTopic }, 2},
		{"eight topics, interleaved", func(i int) string { return fmt.Sprint("waybill.uplink.some-app-", i%8) }, 2},
		{"eight topics of long names", func(i int) string { return longTopic(i % 8) }, 2},
		{"long names, all different", longTopic, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			var members []member
			for i := range 2 * maxMembers {
				members = append(members, member{ctx: t.Context(), cut: &cut{stretch: stretch{test.topic(i), int32(i), 1 << 50, 1<<50 + 1<<35}}})
			}
			rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
			rounds := joined(members)
			if len(rounds) != test.rounds {
				t.Errorf("%d rounds, want %d", len(rounds), test.rounds)
			}
			for _, r := range rounds {
				checkMark(t, r)
			}
		})
	}
}

// joined are the rounds that the members come to, each in the order of joining.
func joined(members []member) (rounds [][]member) {
	rs := newRounds(Config{Flush: time.Hour}, nil)
	var last *round
	for _, m := range members {
		r := rs.join(m.cut.topic, 0)
		if r != last {
			rounds, last = append(rounds, nil), r
		}
		rounds[len(rounds)-1] = append(rounds[len(rounds)-1], m)
	}
	last.timer.Stop()
	return rounds
}

func checkMark(t *testing.T, members []member) {
	t.Helper()
	serials := new(eventlog.Serials)
	for origin := range uint64(100) {
		serials.Fresh(origin+1, 1, int64(origin))
	}
	m := mark{state: state{serials: serials}, members: stretches((&round{handed: members}).members())}
	text := encoded(t, m)
	got, err := decodeMark(text)
	if err != nil || len(text) > maxMetadata || !slices.Equal(got.members, m.members) {
		t.Fatalf("%d bytes for %d members come back as %d, %v", len(text), len(members), len(got.members), err)
	}
	if n := got.state.serials.Len(); n < 31 { // 41, by quarters of 100
		t.Errorf("%d origins beside %d members, want at least 31", n, len(members))
	}
}
