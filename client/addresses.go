package client

import "slices"

// addresses is the order in which gates are tried: where a gate sent us, else
// the last gate, the others that it named, the configured ones, round and
// round.
type addresses struct {
	configured []string
	known      []string // the last gate, then the others
	first      string   // where a gate sent us; used once
	turn       int      // failed tries since the last login
}

func (a *addresses) next() string {
	if a.first != "" {
		to := a.first
		a.first = ""
		return to
	}
	all := a.all()
	return all[a.turn%len(all)]
}

// all is every address, each once.
func (a *addresses) all() []string {
	var all []string
	for _, list := range [][]string{a.known, a.configured} {
		for _, s := range list {
			if s != "" && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

func (a *addresses) failed() { a.turn++ }

// loggedIn remembers what the gate at address said of itself and others.
func (a *addresses) loggedIn(address, self string, others []string) {
	if self == "" {
		self = address
	}
	a.known = append([]string{self, address}, others...)
	a.turn = 0
}
