package delivery

import (
	"context"
	"testing"

	"waybill/internal/snapshot"
	"waybill/schemas"
)

// TestFormerWorkerActsUntilOvertaken: while a second worker loads a partition that
// was taken from the first, that one serves it; then the second does.
func TestFormerWorkerActsUntilOvertaken(t *testing.T) {
	w := newWorldOf(t, 2)
	gate := w.gate(1)
	users := make(map[int32]string)
	for i := 0; len(users) < 2; i++ {
		w.connect(userName(i), 1, gate)
		users[w.at.Partition] = userName(i)
	}
	w.worker(empty)
	for range 2 { // at least
		w.awaitCommand(1, cmdResumed)
	}
	loads, release := make(chan int32, 2), make(chan struct{})
	w.workerWith(Config{Settings: Defaults(), Load: func(ctx context.Context, _ string, partition int32) (*snapshot.Snapshot, error) {
		loads <- partition
		select {
		case <-release:
		case <-ctx.Done():
		}
		return empty()
	}})
	moved := <-loads
	pos := w.push(users[moved])
	first := w.awaitCommand(1, cmdPush)
	if first.Position != uint64(pos) || first.Again {
		t.Errorf("while the second loads, the gate is told %v", first)
	}
	close(release)
	again := w.awaitCommand(1, cmdPush)
	if again.Position != uint64(pos) || !again.Again || again.Term <= first.Term {
		t.Errorf("from the second the gate hears %v", again)
	}
	later := w.push(users[moved])
	if m := w.awaitCommand(1, cmdPush); m.Position != uint64(later) || schemas.Position(m.Term) != schemas.Position(again.Term) {
		t.Errorf("then it hears %v", m)
	}
}
