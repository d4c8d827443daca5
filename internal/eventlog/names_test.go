package eventlog

import "testing"

func TestEpoch(t *testing.T) {
	for topic, want := range map[string]uint16{
		EventsTopic: 0, EventsTopic + ".1": 1, EventsTopic + ".65535": 65535, EventsTopic + ".65536": 0,
		EventsTopic + ".x": 0, UplinkTopic("app.7"): 0, GatesTopic: 0,
	} {
		if got := Epoch(topic); got != want {
			t.Errorf("%s: epoch %d, want %d", topic, got, want)
		}
	}
}

func TestTopicsByName(t *testing.T) {
	for topic, want := range map[string]struct {
		content content
		keyed   bool
	}{
		EventsTopic:          {eventContent, true},
		EventsTopic + ".1":   {eventContent, true},
		GatesTopic:           {eventContent, true},
		ControlTopic:         {eventContent, true},
		AuditTopic:           {eventContent, true},
		DispatchTopic:        {commandContent, false},
		UplinkTopic("app"):   {uplinkContent, true},
		IntakeTopic("app"):   {rawContent, false},
		OutcomesTopic("app"): {rawContent, true},
		"somebody.elses":     {rawContent, false},
	} {
		if c, k := contentOf(topic), keyed(topic); c != want.content || k != want.keyed {
			t.Errorf("%s: content %d, keyed %v, want %+v", topic, c, k, want)
		}
	}
}
