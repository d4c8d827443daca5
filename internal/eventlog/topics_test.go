package eventlog

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Creating is repeatable; what differs is named, and nothing is changed.
func TestCreateTopics(t *testing.T) {
	l := startBroker(t).open(Config{}) // has created them once
	specs := append(Specs(2, 4, 1), AppSpecs("app", 2, 1)...)
	if err := l.CreateTopics(within(t), specs); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	other := slices.Clone(specs)
	other[0].Partitions = 3
	other[2].Settings = map[string]string{cleanupPolicy: "delete", timestampType: "LogAppendTime"}
	other[3].Partitions, other[3].Name = 1, ControlTopic
	err := l.CreateTopics(within(t), other)
	if !errors.Is(err, ErrTopicDiffers) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"waybill.events: the topic is not as Waybill needs it: the number of partitions is 2, must be 3",
		"waybill.gates: the topic is not as Waybill needs it: cleanup.policy is compact, must be delete",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if n, err := l.Partitions(within(t), EventsTopic); n != 2 || err != nil {
		t.Errorf("waybill.events has %d partitions, %v", n, err)
	}
}

func TestRecordsMayBeKeptLonger(t *testing.T) {
	for _, test := range []struct {
		is, want string
		ok       bool
	}{{"2", "1", true}, {"-1", "1", true}, {"1", "2", false}, {"1", "-1", false}, {"", "1", false}} {
		if got := keepsLonger(test.is, test.want); got != test.ok {
			t.Errorf("%q instead of %q: %v", test.is, test.want, got)
		}
	}
}

func TestSpecsAskForCopies(t *testing.T) {
	for _, s := range Specs(64, 64, 3) {
		if s.Settings[minInsync] != "2" || s.Settings[timestampType] != "LogAppendTime" {
			t.Errorf("%s: %v", s.Name, s.Settings)
		}
	}
}
