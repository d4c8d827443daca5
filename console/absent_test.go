package console

import (
	"testing"
	"time"

	"waybill/schemas"
)

func TestAbsent(t *testing.T) {
	now := noon
	id := func(age time.Duration) schemas.ID { return schemas.NewID(now.Add(-age)) }
	for _, test := range []struct {
		name   string
		id     schemas.ID
		newest time.Time
		want   string
	}{
		{"an id without a time", schemas.NamedID("a", "b", "c"), now, Unknown},
		{"within the history", id(time.Hour), now, Unknown},
		{"older than the history", id(31 * 24 * time.Hour), now, TooOld},
		{"just made", id(time.Second), now, NotYet},
		{"of a node whose clock is ahead", id(-time.Second), now, NotYet},
		{"while the history lags behind", id(time.Minute), now.Add(-time.Hour), NotYet},
		{"before there was any history", id(time.Minute), time.Time{}, NotYet},
	} {
		if got := Absent(test.id, now, test.newest); got.Reason != test.want || got.Message == "" {
			t.Errorf("%s: %+v, want %s", test.name, got, test.want)
		}
	}
}
