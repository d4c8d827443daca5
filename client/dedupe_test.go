package client

import "testing"

func TestDedupe(t *testing.T) {
	d := NewDedupe(10)
	for _, step := range []struct {
		name       string
		resumed    bool
		adopt      bool
		position   uint64
		fresh      bool
		wantCursor uint64
	}{
		{name: "a repeat", position: 9, wantCursor: 10},
		{name: "the last one again", position: 10, wantCursor: 10},
		{name: "the next, over a hole", position: 15, fresh: true, wantCursor: 15},
		{name: "a resumed behind", resumed: true, position: 12, wantCursor: 15},
		{name: "a resumed ahead", resumed: true, position: 20, wantCursor: 20},
		{name: "what the resumed covers", position: 18, wantCursor: 20},
		{name: "another log", resumed: true, adopt: true, position: 3, wantCursor: 3},
		{name: "what comes then", position: 4, fresh: true, wantCursor: 4},
		{name: "the next epoch", position: 1<<48 | 1, fresh: true, wantCursor: 1<<48 | 1},
	} {
		if step.resumed {
			d.Resumed(step.position, step.adopt)
		} else {
			if got := d.Fresh(step.position); got != step.fresh {
				t.Errorf("%s: fresh is %v", step.name, got)
			}
			d.Handled(step.position)
		}
		if d.Cursor() != step.wantCursor {
			t.Errorf("%s: cursor is %d, want %d", step.name, d.Cursor(), step.wantCursor)
		}
	}
}
