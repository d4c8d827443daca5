package main

import (
	"strings"
	"testing"
	"time"

	"waybill/projector/session"
)

func TestShowRebuilt(t *testing.T) {
	differs := []session.Difference{{Table: "devices", LiveRows: 3, RebuiltRows: 2, OnlyLive: 1}}
	for name, c := range map[string]struct {
		done session.Rebuilt
		want string
	}{
		"the same": {session.Rebuilt{Partitions: 4, Events: 3000, Swapped: true}, `3000 events of 4 partitions in 2.0 s (1500 events/s)
the rebuilt tables say the same as the live ones did, at the same positions of the log
swapped: the rebuilt tables are the live ones
`},
		"differs": {session.Rebuilt{Partitions: 1, Events: 2, Differences: differs}, `2 events of 1 partitions in 2.0 s (1 events/s)
different: devices: 3 rows are live and 2 rebuilt; 1 live ones are missing or different, 0 rebuilt ones are new or different
`},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			showRebuilt(&got, c.done, 2*time.Second)
			if got.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), c.want)
			}
		})
	}
}

func TestRebuildFlags(t *testing.T) {
	c, err := parse(t, "rebuild", "--accept", "--kafka", "k:9092")
	if err != nil || !c.Rebuild.Accept || c.Rebuild.Kafka[0] != "k:9092" {
		t.Errorf("parsed %+v, %v", c.Rebuild, err)
	}
	if _, err := parse(t, "rebuild", "--kafka", "nowhere"); err == nil {
		t.Error("a broker without a port was taken")
	}
}
