package eventlog

import (
	"strconv"
	"strings"
)

// The topics that every installation has.
const (
	EventsTopic   = "waybill.events"
	DispatchTopic = "waybill.dispatch"
	GatesTopic    = "waybill.gates"
	ControlTopic  = "waybill.control"
	AuditTopic    = "waybill.audit"
)

// EventsPrefix begins the names of waybill.events in every epoch but the first.
const EventsPrefix = EventsTopic + "."

// EventsOf is the name of waybill.events in an epoch.
func EventsOf(epoch uint16) string {
	if epoch == 0 {
		return EventsTopic
	}
	return EventsPrefix + strconv.FormatUint(uint64(epoch), 10)
}

// Prefixes of the topics that each app has.
const (
	UplinkPrefix   = "waybill.uplink."
	IntakePrefix   = "waybill.intake."
	OutcomesPrefix = "waybill.outcomes."
)

// UplinkTopic holds what the app's devices send up.
func UplinkTopic(app string) string { return UplinkPrefix + app }

// IntakeTopic holds the pushes that the app-server appends itself.
func IntakeTopic(app string) string { return IntakePrefix + app }

// OutcomesTopic holds how the app's pushes ended.
func OutcomesTopic(app string) string { return OutcomesPrefix + app }

// Epoch of a topic: 0 for waybill.events, N for waybill.events.N. Topics of an
// app have epoch 0, whatever the app is called.
func Epoch(topic string) uint16 {
	n, ok := strings.CutPrefix(topic, EventsPrefix)
	if !ok {
		return 0
	}
	epoch, err := strconv.ParseUint(n, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(epoch)
}

// content says what the records of a topic are made of.
type content uint8

const (
	rawContent     content = iota // bytes of others
	eventContent                  // an Event is the value
	commandContent                // a Command is the value
	uplinkContent                 // an Event is the header StampHeaderName
)

func contentOf(topic string) content {
	switch {
	case topic == DispatchTopic:
		return commandContent
	case strings.HasPrefix(topic, UplinkPrefix):
		return uplinkContent
	case strings.HasPrefix(topic, IntakePrefix), strings.HasPrefix(topic, OutcomesPrefix):
		return rawContent
	case strings.HasPrefix(topic, "waybill."):
		return eventContent
	}
	return rawContent
}

// keyed says whether the key decides about the partition, so that a record in
// another one is misplaced. Intake is written by clients that hash otherwise.
func keyed(topic string) bool {
	return topic != DispatchTopic && !strings.HasPrefix(topic, IntakePrefix) && strings.HasPrefix(topic, "waybill.")
}
