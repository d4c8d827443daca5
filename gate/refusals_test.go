package gate

import (
	"fmt"
	"testing"
	"time"
)

// TestRefusals: who is turned away all the time is an event once in a while, and
// so many users at once are bounded all together.
func TestRefusals(t *testing.T) {
	r := newRefusals()
	ann, events := &identity{"freight", "ann", "phone"}, 0
	for s := range 60 {
		for range 100 {
			if r.allow(ann, noon.Add(time.Duration(s)*time.Second)) {
				events++
			}
		}
	}
	if events != 6 {
		t.Errorf("%d events in a minute, want one in %v", events, refusalEvery)
	}
	events = 0
	for n := range 10 * refusalSlots {
		if r.allow(&identity{"freight", fmt.Sprint("user ", n), "phone"}, noon.Add(time.Hour)) {
			events++
		}
	}
	if events > refusalSlots || events < refusalSlots/2 {
		t.Errorf("%d users are %d events, want no more than %d", 10*refusalSlots, events, refusalSlots)
	}
	if r.allow(ann, noon.Add(time.Hour+refusalEvery-1)) {
		t.Error("a slot that somebody else has filled lets one more in")
	}
}
