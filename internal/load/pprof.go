package load

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// stackSample is one stack of a CPU profile, the innermost function first, and
// the nanoseconds that were spent in it.
type stackSample struct {
	stack []string
	nanos int64
}

// Fields of the profile's messages, as pprof's profile.proto numbers them.
const (
	profileSample, profileLocation, profileFunction, profileString = 2, 4, 5, 6
	sampleLocation, sampleValue                                    = 1, 2
	locationID, locationLine                                       = 1, 4
	lineFunction                                                   = 1
	functionID, functionName                                       = 1, 2
)

// cpuProfile is what is taken of a profile. It is read here because the two
// other ways cost more: pprof's own package would be one more dependency, and
// `go tool pprof -raw` wants Go where the load generator runs, and its text read.
type cpuProfile struct {
	samples   [][2][]uint64       // location ids and values of each
	locations map[uint64][]uint64 // functions, the innermost first
	functions map[uint64]uint64   // index of the name
	strings   []string
}

// parseProfile reads what /debug/pprof/profile answers: CPU samples with the
// functions' names.
func parseProfile(b []byte) ([]stackSample, error) {
	if z, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
		if b, err = io.ReadAll(z); err != nil {
			return nil, fmt.Errorf("unpack the profile: %w", err)
		}
	}
	p := cpuProfile{locations: map[uint64][]uint64{}, functions: map[uint64]uint64{}}
	if err := fields(b, p.field); err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	var all []stackSample
	for _, s := range p.samples {
		one := stackSample{stack: p.names(s[0])}
		if n := len(s[1]); n > 0 {
			one.nanos = int64(s[1][n-1]) // count, then nanoseconds
		}
		all = append(all, one)
	}
	return all, nil
}

func (p *cpuProfile) names(locations []uint64) (stack []string) {
	for _, at := range locations {
		for _, f := range p.locations[at] {
			if i := p.functions[f]; i < uint64(len(p.strings)) {
				stack = append(stack, p.strings[i])
			}
		}
	}
	return stack
}

// field takes in one field of the profile.
func (p *cpuProfile) field(number protowire.Number, _ uint64, b []byte) error {
	switch number {
	case profileSample:
		return p.sample(b)
	case profileLocation:
		return p.location(b)
	case profileFunction:
		return p.function(b)
	case profileString:
		p.strings = append(p.strings, string(b))
	}
	return nil
}

func (p *cpuProfile) sample(b []byte) error {
	var s [2][]uint64
	err := fields(b, func(n protowire.Number, v uint64, b []byte) error {
		if n == sampleLocation || n == sampleValue {
			s[n-1] = append(s[n-1], numbers(v, b)...)
		}
		return nil
	})
	p.samples = append(p.samples, s)
	return err
}

func (p *cpuProfile) location(b []byte) error {
	var id uint64
	var functions []uint64
	err := fields(b, func(n protowire.Number, v uint64, b []byte) error {
		switch n {
		case locationID:
			id = v
		case locationLine:
			return fields(b, func(n protowire.Number, v uint64, _ []byte) error {
				if n == lineFunction {
					functions = append(functions, v)
				}
				return nil
			})
		}
		return nil
	})
	p.locations[id] = functions
	return err
}

func (p *cpuProfile) function(b []byte) error {
	var id, name uint64
	err := fields(b, func(n protowire.Number, v uint64, _ []byte) error {
		switch n {
		case functionID:
			id = v
		case functionName:
			name = v
		}
		return nil
	})
	p.functions[id] = name
	return err
}

// numbers of a repeated field: one by itself, or packed into bytes.
func numbers(v uint64, packed []byte) []uint64 {
	if packed == nil {
		return []uint64{v}
	}
	var all []uint64
	for len(packed) > 0 {
		v, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			break
		}
		all, packed = append(all, v), packed[n:]
	}
	return all
}

var errBytes = errors.New("it is cut off or no profile")

// fields calls each for every field of a message: a number, or bytes, which are
// nil for a number only.
func fields(b []byte, each func(n protowire.Number, v uint64, b []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errBytes
		}
		b = b[n:]
		var v uint64
		var sub []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			sub, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return errBytes
		}
		if err := each(number, v, sub); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
