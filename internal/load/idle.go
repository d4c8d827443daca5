package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// settle is how long connections idle before memory is read.
const settle = 3 * time.Second

// Memory of a process in bytes.
type Memory struct {
	PSS  int64 `json:"pss"`  // what the kernel counts
	Heap int64 `json:"heap"` // Go heap and stacks in use, after a collection
}

// Idle is what connections that do nothing cost.
type Idle struct {
	From      int     `json:"from"` // connections at the first reading
	To        int     `json:"to"`
	At        Memory  `json:"at"`       // at the first reading
	Then      Memory  `json:"then"`     // at the second
	PSSEach   float64 `json:"pss_each"` // slope, bytes for each connection
	HeapEach  float64 `json:"heap_each"`
	LoginRate float64 `json:"login_rate"` // logins a second on the way
}

// MeasureIdle logs devices in and reads the memory of the gate's process at
// two numbers of connections. The slope leaves out what the process needs
// anyway. The private port (Target.Metrics) collects garbage before.
func MeasureIdle(ctx context.Context, cfg Config, from int) (Idle, error) {
	if from < 1 || from >= cfg.Devices || len(cfg.PIDs) == 0 {
		return Idle{}, fmt.Errorf("measure idle connections: want from 1 to less than %d connections and a process to look at", cfg.Devices)
	}
	s, err := open(cfg)
	if err != nil {
		return Idle{}, err
	}
	defer s.Close()
	i := Idle{From: from, To: cfg.Devices}
	if i.At, err = s.idleAt(ctx, 0, from); err != nil {
		return i, err
	}
	began := time.Now()
	if i.Then, err = s.idleAt(ctx, from, cfg.Devices); err != nil {
		return i, err
	}
	added := float64(i.To - i.From)
	i.LoginRate = added / (time.Since(began) - settle).Seconds()
	i.PSSEach = float64(i.Then.PSS-i.At.PSS) / added
	i.HeapEach = float64(i.Then.Heap-i.At.Heap) / added
	return i, nil
}

func (s *Session) idleAt(ctx context.Context, from, to int) (m Memory, err error) {
	if err = s.fleet.connect(ctx, from, to); err != nil {
		return m, err
	}
	if err = sleep(ctx, settle); err != nil {
		return m, err
	}
	if s.cfg.Metrics != "" {
		if m.Heap, err = goMemory(ctx, s.cfg.Metrics); err != nil {
			return m, err
		}
	}
	m.PSS, err = pss(s.cfg.PIDs[0])
	return m, err
}

// goMemory collects garbage in the process and reads what is in use. Pools let
// go of what they hold at the second collection.
func goMemory(ctx context.Context, private string) (int64, error) {
	if _, err := collect(ctx, private); err != nil {
		return 0, err
	}
	return collect(ctx, private)
}

func collect(ctx context.Context, private string) (int64, error) {
	b, err := fetch(ctx, "http://"+private+"/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	var sum int64
	for line := range strings.Lines(string(b)) {
		for _, name := range []string{"# HeapInuse = ", "# Stack = "} {
			if v, ok := strings.CutPrefix(line, name); ok {
				v, _, _ = strings.Cut(strings.TrimSpace(v), " ")
				n, _ := strconv.ParseInt(v, 10, 64)
				sum += n
			}
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("ask for memory: %s has no memory statistics", private)
	}
	return sum, nil
}

// Connections of the suite's own measurement.
const (
	idleFrom = 2_000
	idleTo   = 15_000
)

func runIdle(ctx context.Context, s *Suite, e *Entry) (err error) {
	target, stop, err := dev(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	gate, stopGate, err := s.Start.Gate(ctx, target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopGate()) }()
	cfg := s.config(gate)
	cfg.Devices = idleTo
	i, err := MeasureIdle(ctx, cfg, idleFrom)
	if err != nil {
		return err
	}
	e.Idle = &i
	return nil
}

func idleFigures(e *Entry) []Figure {
	var i Idle
	if e.Idle != nil {
		i = *e.Idle
	}
	return []Figure{
		{"idle.pss", "memory of the process (PSS) for each, from 2,000 to 15,000", "bytes", i.PSSEach, Goal{AtMost: 1500}},
		{"idle.heap", "… of it Go heap and stacks in use", "bytes", i.HeapEach, Goal{}},
		{"idle.logins", "logins on the way there", "1/s", i.LoginRate, Goal{}},
	}
}
