package e2e

import (
	"fmt"
	"testing"
	"time"

	"waybill/internal/eventlog"
)

// leaderAway is how long calls may be refused after a leader was killed: the
// brokers notice after three seconds, and elect; the rest is for two busy cores.
const leaderAway = 15 * time.Second

// leaderAfter is how long the load goes on when all copies are there again.
const leaderAfter = 4 * time.Second

// leaderRate of calls, with three brokers on two cores.
const leaderRate = 100

// TestLeaderKilled: of three brokers one that leads partitions is killed with
// -9 under load and comes back. Another one leads; Waybill drops no connection
// and loses nothing that it accepted.
func TestLeaderKilled(t *testing.T) {
	if !onRealEngines() {
		t.Skip("the embedded broker is one: make test-engines runs this; TestPartitionAway fails one partition with a seam")
	}
	t.Parallel()
	w := start(t, configOf(t, 3))
	phones := w.outagePhones()
	l := w.startLoad(leaderRate, outageUser)
	l.pass(outageWarm)

	partition := w.partitionOf(outageUser(0))
	before, err := w.engines.nodes.Place(t.Context(), eventlog.EventsTopic, partition)
	if err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	if err := w.engines.nodes.Kill(t.Context(), before.Leader); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	l.pass(leaderAway)
	now, err := w.engines.nodes.Place(t.Context(), eventlog.EventsTopic, partition)
	if err != nil || now.Leader < 0 || now.Leader == before.Leader {
		t.Fatalf("partition %d is led by node %d (%v), which was killed: node %d", partition, now.Leader, err, before.Leader)
	}
	if err := w.engines.nodes.Restart(t.Context(), before.Leader); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	poll(t, "three copies again", func() error {
		now, err := w.engines.nodes.Place(t.Context(), eventlog.EventsTopic, partition)
		if err == nil && len(now.InSync) != 3 {
			err = fmt.Errorf("in sync are %v", now.InSync)
		}
		return err
	})
	l.pass(leaderAfter)
	l.stop()
	l.sayAgain()
	w.awaitDelivered()

	a := absence{killed: killed, gone: gone, back: back, until: killed.Add(leaderAway), soon: time.Second}
	l.checkAnswers(a)
	l.checkHanded(phones)
	checkHeld(t, phones)
	t.Logf("node %d was away: %s", before.Leader, l.describe(a))
}
