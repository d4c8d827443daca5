package load

import (
	"context"
	"errors"
	"time"
)

// Rest is what a Waybill takes while its devices only hold their connections.
type Rest struct {
	Devices int                `json:"devices"`
	Seconds float64            `json:"seconds"`
	CPU     map[string]float64 `json:"cpu"` // cores, by process
	PSS     map[string]int64   `json:"pss"` // bytes, by process
}

const (
	restDevices = 200
	// restSettle lets what the start and the logins left behind be done.
	restSettle = 8 * time.Second
	restFor    = 25 * time.Second
)

// MeasureRest logs the devices in, lets everything settle and watches.
func MeasureRest(ctx context.Context, cfg Config, settle, watch time.Duration) (r Rest, err error) {
	s, err := Open(ctx, cfg)
	if err != nil {
		return r, err
	}
	defer s.Close()
	if err := sleep(ctx, settle); err != nil {
		return r, err
	}
	before, began := s.procs.usage(), time.Now()
	if err := sleep(ctx, watch); err != nil {
		return r, err
	}
	used := s.procs.usage().since(before)
	r = Rest{Devices: cfg.Devices, Seconds: time.Since(began).Seconds(), CPU: map[string]float64{}, PSS: s.procs.memory()}
	delete(used, self)
	delete(used, machine)
	for role, seconds := range used {
		r.CPU[role] = seconds / r.Seconds
	}
	return r, nil
}

func runRest(ctx context.Context, s *Suite, e *Entry) (err error) {
	target, stop, err := dev(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	cfg := s.config(target)
	cfg.Devices = restDevices
	r, err := MeasureRest(ctx, cfg, restSettle, restFor)
	if err != nil {
		return err
	}
	e.Rest = &r
	return nil
}

func restFigures(e *Entry) []Figure {
	var cores, bytes float64
	if e.Rest != nil {
		for _, v := range e.Rest.CPU {
			cores += v
		}
		for _, v := range e.Rest.PSS {
			bytes += float64(v)
		}
	}
	return []Figure{
		{"rest.cpu", "all processes together", "% of a core", 100 * cores, Goal{AtMost: 5}},
		{"rest.pss", "all processes together, PSS", "MB", bytes / 1e6, Goal{AtMost: 600}},
	}
}
