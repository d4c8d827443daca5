package load

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeStarter starts fakes in this process; what it does not have fails.
func fakeStarter(t *testing.T) Starter {
	t.Helper()
	refuse := errors.New("not in this test")
	nothing := func() error { return nil }
	return Starter{
		Dev: func(context.Context, DevOptions) (Target, func() error, error) {
			target := newFake(t).config().Target
			target.PIDs = []int{os.Getpid()}
			return target, nothing, nil
		},
		Split: func(context.Context, SplitOptions) (Target, func() error, error) { return Target{}, nil, refuse },
		Echo: func(ctx context.Context) (Target, func() error, error) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return Target{}, nil, err
			}
			ctx, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- ServeEcho(ctx, ln) }()
			return Target{Gates: []string{ln.Addr().String()}}, func() error { stop(); return <-done }, nil
		},
	}
}

func TestSuiteKeepsGoing(t *testing.T) {
	page := filepath.Join(t.TempDir(), "push.md")
	if err := os.WriteFile(filepath.Join(filepath.Dir(page), firstName), []byte(`{"uplinks.rate": "1,234 at first"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	book, err := OpenBook(page)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	s := Suite{
		Start: fakeStarter(t), Say: func(line string) { said.WriteString(line + "\n") }, Runs: 1, Duration: 300 * time.Millisecond,
		Only: []string{"split", "uplinks"}, Command: "make bench ONLY=…",
	}
	if err := s.Run(t.Context(), book.Add); err != nil {
		t.Fatal(err)
	}
	again, err := OpenBook(page)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Entries) != 2 || again.Entries[0].Key != "uplinks" {
		t.Fatalf("%d entries, want uplinks and split in the order of the cases", len(again.Entries))
	}
	if e := again.Entries[0]; e.Median.Rate == 0 || e.Echo.Rate == 0 || len(e.Errors) > 0 {
		t.Errorf("uplinks came to %+v", e)
	}
	text := again.Page()
	for _, want := range []string{"| 1/s | ≥ 20,000 | 1,234 at first |", "not in this test", "`make bench ONLY=…`", "| not measured | reported, see *Errors* |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if !strings.Contains(said.String(), "[2/2] closed loop, 8 streams, each stage a process (split)") {
		t.Errorf("nobody was told how far it is:\n%s", said.String())
	}
}

func TestSuiteNamesItsCases(t *testing.T) {
	err := (&Suite{Only: []string{"nothing"}}).Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), `"nothing"; there are closed-stream, `) {
		t.Errorf("error %v, want the keys that there are", err)
	}
	seen := map[string]bool{}
	for _, c := range Cases() {
		for _, f := range c.figures(&Entry{}) {
			if seen[f.Key] || !strings.HasPrefix(f.Key, c.Key+".") {
				t.Errorf("figure %q of case %q is not by itself", f.Key, c.Key)
			}
			if seen[f.Key] = true; f.Goal != (Goal{}) && f.verdict() != Missed {
				t.Errorf("figure %q was not measured, and its goal %s", f.Key, f.verdict())
			}
		}
	}
}

func TestBookReplacesAnEntry(t *testing.T) {
	book, err := OpenBook(filepath.Join(t.TempDir(), "push.md"))
	if err != nil {
		t.Fatal(err)
	}
	rest := func(pss int64) Entry {
		e := Entry{Key: "rest", Rest: &Rest{Devices: 200, CPU: map[string]float64{"dev": .02}, PSS: map[string]int64{"dev": pss}}}
		e.Figures = restFigures(&e)
		return e
	}
	for _, pss := range []int64{900e6, 300e6} {
		if err := book.Add(rest(pss)); err != nil {
			t.Fatal(err)
		}
	}
	if text := book.Page(); len(book.Entries) != 1 || !strings.Contains(text, "| dev | 2.00 | 300 |") || !strings.Contains(text, "Every goal holds") {
		t.Errorf("%d entries:\n%s", len(book.Entries), text)
	}
	if err := book.Add(rest(700e6)); err != nil || len(book.Missed()) != 1 || book.Missed()[0] != "rest.pss" {
		t.Errorf("missed %v, %v; want rest.pss", book.Missed(), err)
	}
	if _, err := OpenBook("push.txt"); err == nil {
		t.Error("a page of another form is taken")
	}
}

func TestVerdict(t *testing.T) {
	lost := []string{"3 pushes were accepted and did not arrive"}
	for _, c := range []struct {
		value  float64
		goal   Goal
		errors []string
		want   string
	}{
		{5, Goal{AtLeast: 5}, nil, Holds}, {4.9, Goal{AtLeast: 5}, nil, Missed}, {5, Goal{AtMost: 5}, nil, Holds},
		{5.1, Goal{AtMost: 5}, nil, Missed}, {0, Goal{AtMost: 5}, nil, Missed}, {0, Goal{}, nil, Reported},
		{5, Goal{AtLeast: 5}, lost, Missed}, {5, Goal{AtMost: 5}, lost, Missed}, {5, Goal{}, lost, Reported},
	} {
		e := Entry{Result: Result{Errors: c.errors}}
		if got := e.Verdict(Figure{Value: c.value, Goal: c.goal}); got != c.want {
			t.Errorf("%v against %+v with the errors %q: %s, want %s", c.value, c.goal, c.errors, got, c.want)
		}
	}
}

// TestPageOfARunThatIsNotWhole: a good figure beside a lost push is no success.
func TestPageOfARunThatIsNotWhole(t *testing.T) {
	for _, c := range []struct {
		goal Goal
		want []string
	}{
		{Goal{AtLeast: 35_000}, []string{"| 40,000 | **missed**, see *Errors* |", "**Missed: x.rate.**"}},
		{Goal{}, []string{"| 40,000 | reported, see *Errors* |", "**but not every run is whole**"}},
	} {
		e := Entry{Result: Result{Errors: []string{"3 pushes are missing"}}}
		e.Figures = []Figure{{Key: "x.rate", Value: 40_000, Goal: c.goal}}
		text := (&Book{Entries: []Entry{e}}).Page()
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("goal %+v: the page lacks %q:\n%s", c.goal, want, text)
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{35_000: "35,000", 916: "916", 5: "5", 1.5: "1.50", 32.04: "32.0", .0551: "0.055"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

func TestMeasureRest(t *testing.T) {
	cfg := newFake(t).config()
	cfg.PIDs = []int{os.Getppid()}
	r, err := MeasureRest(t.Context(), cfg, 0, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	var pss int64
	for _, v := range r.PSS {
		pss += v
	}
	if r.Devices != cfg.Devices || r.Seconds < .05 || pss == 0 {
		t.Errorf("at rest: %+v", r)
	}
	if _, ok := r.CPU[machine]; ok {
		t.Error("the machine counts as a process")
	}
}

func TestStartHeld(t *testing.T) {
	c, line, err := StartHeld(t.Context(), []string{"WORD=held"}, "sh", "-c", "echo $WORD on 7; cat")
	if err != nil {
		t.Fatal(err)
	}
	if line != "held on 7" {
		t.Errorf("first line %q", line)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}
