package main

import (
	"fmt"
	"syscall"
	"testing"
)

// TestTwoOfEveryStage: two processes of each share the work. A gate, a worker, a
// projector and an ingest that are killed are missed by nobody for long: the
// gate's devices go to the other one, which it had named to them.
func TestTwoOfEveryStage(t *testing.T) {
	w := newWorld(t)
	w.up()
	pair := func(name string) [2]*proc { return [2]*proc{w.stage(name, 1), w.stage(name, 2)} }
	gates, ingests, workers := pair("gate"), pair("ingest"), pair("delivery")
	projectors, consoles := pair("projector"), pair("console")
	all := []*proc{}
	for _, two := range [][2]*proc{gates, ingests, workers, projectors, consoles} {
		for _, p := range two {
			p.says("msg=ready")
			all = append(all, p)
		}
	}
	users := []string{"anna", "ben", "cleo", "dora", "emil", "fritz"} // of several partitions
	handled := make(map[string]<-chan string)
	for i, user := range users {
		handled[user] = w.device(user, gates[i%2])
	}
	send := func(word string, ingest *proc) {
		for i, user := range users {
			trace := w.push(ingest, user, word)
			w.gets(handled[user], fmt.Sprintf("%q", word))
			w.traced(consoles[i%2], trace)
		}
	}
	send("to both gates", ingests[0])
	send("by the other ingest", ingests[1])
	for _, killed := range []*proc{gates[0], workers[0], projectors[0], ingests[0]} {
		killed.signal(syscall.SIGKILL)
		killed.ends(-1)
	}
	send("without those that were killed", ingests[1])
	for _, p := range all {
		if p.cmd.ProcessState == nil {
			p.drains()
		}
	}
}
