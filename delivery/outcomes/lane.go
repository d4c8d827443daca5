package outcomes

import (
	"errors"
	"slices"
	"time"

	"waybill/internal/eventlog"
)

// lane is one app's way out of one partition: its records in the log's order.
// It belongs to the partition's worker.
type lane struct {
	app, topic string
	since      int64     // outcomes of before are not told, microseconds
	parked     []parked  // those that the topic does not take now
	waits      time.Time // since when the oldest of them
	away       bool      // as last logged
}

// parked is a record that waits.
type parked struct {
	record eventlog.Record
	of     *stretch
}

// add tells the record, or parks it behind those that wait already.
func (l *lane) add(to appender, r eventlog.Record, of *stretch) error {
	of.open.Add(1)
	if len(l.parked) == 0 {
		switch err := to.Append(r, of.done); {
		case err == nil:
			return nil
		case permanent(err):
			return err
		}
	}
	if len(l.parked) == 0 {
		l.waits = time.Now()
	}
	l.parked = append(l.parked, parked{r, of})
	return nil
}

// retry tells what is parked, as far as the topic takes it.
func (l *lane) retry(to appender) error {
	told := 0
	for ; told < len(l.parked); told++ {
		err := to.Append(l.parked[told].record, l.parked[told].of.done)
		if permanent(err) {
			return err
		}
		if err != nil {
			break
		}
	}
	if told > 0 {
		l.waits = time.Now()
	}
	l.parked = slices.Delete(l.parked, 0, told)
	return nil
}

// drop lets go of what is parked: nobody is to be told any more. It returns how
// many records that were.
func (l *lane) drop() int {
	for i := range l.parked {
		l.parked[i].of.leave()
	}
	return len(l.parked)
}

// permanent errors end the worker: it begins anew from the last commit. A topic
// that is missing may come: `waybill migrate` makes it, and a broker that has
// just started may not know it yet.
func permanent(err error) bool {
	return err != nil && !errors.Is(err, eventlog.ErrBusy) && !errors.Is(err, eventlog.ErrUnknownTopic)
}
