package console

import (
	"fmt"
	"time"

	"waybill/schemas"
)

// History is how long hops are kept (the TTL of their table).
const History = 30 * 24 * time.Hour

// onItsWay is how long a hop may take from the log into the history.
const onItsWay = 2 * time.Second

// Absence says why there is nothing to show for an id.
type Absence struct {
	Reason  string `json:"reason"` // unknown, too_old or not_yet
	Message string `json:"message"`
}

// Reasons of an Absence.
const (
	Unknown = "unknown"
	TooOld  = "too_old"
	NotYet  = "not_yet"
)

// Absent judges by the time that the id carries, if it does, and by the time of
// the newest hop that has been written: what is younger may be on its way.
func Absent(id schemas.ID, now, newest time.Time) Absence {
	made, known := madeAt(id)
	switch {
	case !known:
		return Absence{Unknown, "No message with this id is known. The id carries no time: the message may also have left the history, which goes back 30 days."}
	case now.Sub(made) > History:
		return Absence{TooOld, fmt.Sprintf("This id is of %s UTC. The history goes back 30 days only.", made.Format(time.DateTime))}
	case now.Sub(made) < onItsWay:
		return Absence{NotYet, "This id is only a moment old: its message may not be in the history yet. Look again in a second."}
	case made.After(newest.Add(-onItsWay)):
		return Absence{NotYet, fmt.Sprintf("This id is of %s UTC, and the history has been written up to %s UTC: either its message is still on its way into the history, or it is unknown.",
			made.Format(time.DateTime), newest.UTC().Format(time.DateTime))}
	}
	return Absence{Unknown, fmt.Sprintf("No message with this id is known. By its form it would be of %s UTC, which the history covers.", made.Format(time.DateTime))}
}

// madeAt is the time in an id of the form UUIDv7. An id that others drew looks
// like one now and then, and its time is any.
func madeAt(id schemas.ID) (time.Time, bool) {
	if id[6]>>4 != 7 || id[8]>>6 != 2 {
		return time.Time{}, false
	}
	ms := int64(0)
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC(), true
}
