package gate

import (
	"testing"

	"waybill/schemas"
)

func pushAt(position, previous uint64) *schemas.Command {
	return &schemas.Command{Kind: schemas.CommandKind_COMMAND_KIND_PUSH, Position: position, Previous: previous}
}

func resumedAt(position, previous uint64, adopt bool) *schemas.Command {
	c := &schemas.Command{Kind: schemas.CommandKind_COMMAND_KIND_RESUMED, Position: position, Previous: previous}
	if adopt {
		c.Gap = &schemas.Gap{Adopt: true}
	}
	return c
}

func TestGap(t *testing.T) {
	for name, c := range map[string]struct {
		cursor uint64
		cmds   []*schemas.Command
		want   []Verdict
		last   uint64
	}{
		"in order":                       {10, []*schemas.Command{pushAt(12, 10), pushAt(15, 12), resumedAt(16, 15, false)}, []Verdict{Write, Write, Write}, 16},
		"an older previous is no gap":    {10, []*schemas.Command{pushAt(12, 3)}, []Verdict{Write}, 12},
		"a repeat":                       {10, []*schemas.Command{pushAt(12, 10), pushAt(12, 10), pushAt(11, 10)}, []Verdict{Write, Swallow, Swallow}, 12},
		"at the cursor":                  {10, []*schemas.Command{pushAt(10, 0)}, []Verdict{Swallow}, 10},
		"a hole":                         {10, []*schemas.Command{pushAt(12, 11)}, []Verdict{Hole}, 10},
		"a hole moves nothing":           {10, []*schemas.Command{pushAt(12, 11), pushAt(11, 10), pushAt(12, 11)}, []Verdict{Hole, Write, Write}, 12},
		"a repeat is never a hole":       {10, []*schemas.Command{pushAt(9, 8)}, []Verdict{Swallow}, 10},
		"adopt goes back":                {1000, []*schemas.Command{resumedAt(30, 0, true), pushAt(31, 30)}, []Verdict{Write, Write}, 31},
		"adopt counts once":              {1000, []*schemas.Command{resumedAt(30, 0, true), pushAt(31, 30), resumedAt(30, 0, true)}, []Verdict{Write, Write, Swallow}, 31},
		"adopt needs no previous":        {1000, []*schemas.Command{resumedAt(30, 29, true)}, []Verdict{Write}, 30},
		"a gap without adopt has a rule": {10, []*schemas.Command{resumedAt(12, 11, false), resumedAt(12, 10, false)}, []Verdict{Hole, Write}, 12},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewGap(c.cursor)
			for i, cmd := range c.cmds {
				if got := g.Check(cmd); got != c.want[i] {
					t.Errorf("command %d: verdict %d, want %d", i, got, c.want[i])
				}
			}
			if g.Last() != c.last {
				t.Errorf("last is %d, want %d", g.Last(), c.last)
			}
		})
	}
}

// FuzzGap: whatever comes, what is written is newer than the last and follows
// it, and nothing else moves the rule.
func FuzzGap(f *testing.F) {
	f.Add(uint64(10), []byte{12, 10, 0, 15, 12, 0, 16, 15, 1})
	f.Add(uint64(200), []byte{30, 0, 3, 31, 30, 0, 30, 0, 3})
	f.Fuzz(func(t *testing.T, cursor uint64, script []byte) {
		g := NewGap(cursor)
		adopted := false
		for ; len(script) >= 3; script = script[3:] {
			cmd := pushAt(uint64(script[0]), uint64(script[1]))
			adopt := script[2]&3 == 3
			if script[2]&1 == 1 {
				cmd = resumedAt(cmd.Position, cmd.Previous, adopt)
			}
			before := g.Last()
			switch v := g.Check(cmd); {
			case v != Write && g.Last() != before:
				t.Fatalf("verdict %d moved the rule from %d to %d", v, before, g.Last())
			case v == Write && g.Last() != cmd.Position:
				t.Fatalf("wrote %d, the rule says %d", cmd.Position, g.Last())
			case v == Write && adopt && adopted:
				t.Fatal("adopted twice")
			case v == Write && !adopt && (cmd.Position <= before || cmd.Previous > before):
				t.Fatalf("wrote %d after %d behind %d", cmd.Position, cmd.Previous, before)
			}
			adopted = adopted || adopt
		}
	})
}
