package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ticksPerSecond of the times in /proc/PID/stat: the same on every Linux.
const ticksPerSecond = 100

// usage is the CPU seconds of processes by their role: dev, clickhouse, …
type usage map[string]float64

// processes of a run: the generator itself and trees of others.
type processes struct{ roots []int }

// Roles that are no process of the Waybill: the generator, and everything that
// ran on the machine.
const (
	self    = "load"
	machine = "machine"
	shell   = "bash" // of a script that only waits
)

// usage until now. A process that ended in between is left out.
func (p processes) usage() usage {
	u := usage{machine: machineSeconds()}
	if s, err := readStat(os.Getpid()); err == nil {
		u[self] = s.seconds
	}
	for _, pid := range p.all() {
		s, err := readStat(pid)
		if name := role(pid); err == nil && name != shell {
			u[name] += s.seconds
		}
	}
	return u
}

// others takes the machine out of u and returns the share of it, from 0 to 1,
// that neither the Waybill nor the generator used.
func (u usage) others(seconds float64) float64 {
	left := u[machine]
	delete(u, machine)
	for _, v := range u {
		left -= v
	}
	return max(left, 0) / (seconds * float64(runtime.NumCPU()))
}

// machineSeconds is the CPU time of all processes since the start: the first
// line of /proc/stat without the idle times.
func machineSeconds() float64 {
	b, _ := os.ReadFile("/proc/stat") // without it others show as none
	line, _, _ := strings.Cut(string(b), "\n")
	var ticks float64
	for i, f := range strings.Fields(line) {
		if v, err := strconv.ParseFloat(f, 64); err == nil && i != 4 && i != 5 && i < 9 {
			ticks += v
		}
	}
	return ticks / ticksPerSecond
}

// since is the seconds from an earlier usage to this one.
func (u usage) since(before usage) usage {
	d := usage{}
	for k, v := range u {
		d[k] = max(v-before[k], 0)
	}
	return d
}

// all processes of the trees.
func (p processes) all() []int {
	children := map[int][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if s, err := readStat(pid); err == nil {
			children[s.parent] = append(children[s.parent], pid)
		}
	}
	all := append([]int{}, p.roots...)
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

type stat struct {
	parent  int
	seconds float64 // user and system
}

func readStat(pid int) (s stat, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, fmt.Errorf("read the times of process %d: %w", pid, err)
	}
	// The name, in brackets, may hold blanks; fields 4, 14 and 15 follow it.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return s, fmt.Errorf("read the times of process %d: %d fields", pid, len(f))
	}
	s.parent, _ = strconv.Atoi(f[1])
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	s.seconds = (user + system) / ticksPerSecond
	return s, nil
}

// role names a process by its command line: the subcommand of a waybill, or
// the engine that it is.
func role(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return "other"
	}
	args := strings.Split(strings.Trim(string(b), "\x00"), "\x00")
	name, _, _ := strings.Cut(filepath.Base(args[0]), ":")
	if name == "java" {
		return "kafka" // the only one here
	}
	if name, _, _ = strings.Cut(name, " "); name != "waybill" || len(args) < 2 {
		return name
	}
	if i := slices.Index(args, "engine"); i > 0 && len(args) > i+1 {
		return args[i+1]
	}
	if i := slices.Index(args, "--only"); i > 0 && len(args) > i+1 && slices.Contains(args, "projector") {
		return args[i+1] + " projector"
	}
	for _, stage := range []string{"dev", "gate", "ingest", "delivery", "projector", "console", "load"} {
		if slices.Contains(args, stage) {
			return stage
		}
	}
	return args[1]
}

// memory is the PSS of processes by their role, in bytes, without the
// generator's own.
func (p processes) memory() map[string]int64 {
	m := map[string]int64{}
	for _, pid := range p.all() {
		if v, err := pss(pid); err == nil {
			m[role(pid)] += v
		}
	}
	return m
}

// pss is the memory of a process in bytes, shared pages split among sharers.
func pss(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("read the memory of process %d: no Pss", pid)
}
