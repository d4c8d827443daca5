package crash

import (
	"fmt"
	"path/filepath"
	"slices"
)

// list the stages. What somebody waits for is shorter than by default.
func (s *site) list() {
	for n := 1; n <= 2; n++ {
		s.stages = append(s.stages, s.gate(n, s.at(portGates+n)))
		s.stages = append(s.stages, s.stage("delivery", n, "--ack-timer", "3s", "--session", "6s"))
		s.stages = append(s.stages, s.stage("ingest", n, "--listen", s.at(portIngests+n)))
		s.stages = append(s.stages, s.stage("projector", n))
	}
	s.stages = append(s.stages, s.stage("console", 1, "--listen", s.at(portConsole)))
}

func (s *site) gate(number int, address string, more ...string) *process {
	args := []string{"--listen", address, "--advertise", address, "--cluster-key", clusterKey, "--lease", "3s"}
	return s.stage("gate", number, append(args, more...)...)
}

func (s *site) stage(name string, number int, args ...string) *process {
	private := s.at(portMetrics + len(s.stages) + len(s.retired))
	command := slices.Concat([]string{name, "--number", fmt.Sprint(number), "--metrics", private}, s.engines(), args)
	return s.process(fmt.Sprintf("%s-%d", name, number), "http://"+private+"/readyz", command...)
}

// replace puts another gate of its number into a gate's place, on another port.
// ended is closed when the old one has ended.
func (s *site) replace(old *process) (next *process, ended <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = append(s.retired, old)
	number := int(old.name[len(old.name)-1] - '0')
	next = s.gate(number, s.at(portGates+10+number), "--take-over")
	next.log = filepath.Join(s.dir, "logs", old.name+"-replacement.log")
	s.stages[slices.Index(s.stages, old)] = next
	return next, old.retire()
}

func (s *site) process(name, ready string, args ...string) *process {
	return &process{
		name: name, command: append([]string{s.binary}, args...), ready: ready,
		log: filepath.Join(s.dir, "logs", name+".log"), died: s.died,
	}
}
