package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// ownPrefix begins all of our variables: one that nobody reads is a mistake.
const ownPrefix = "WAYBILL_"

// ofTests says that only tests read the variable.
func ofTests(name string) bool {
	return strings.HasPrefix(name, "WAYBILL_TEST_") || strings.HasPrefix(name, "WAYBILL_CRASH_") || strings.HasPrefix(name, "WAYBILL_CI_")
}

// otherVariables are those that belong to no flag.
func otherVariables() []string {
	return []string{
		"WAYBILL_CACHE", "WAYBILL_PG_BIN", "WAYBILL_CLICKHOUSE_PASSWORD", // of embedded engines
		"WAYBILL_ENGINE_CHILD", "WAYBILL_ENGINE_LOCKED", "WAYBILL_ENGINE_TEST_PARENT", // from an engine's parent to its child
		"WAYBILL_HOST", "WAYBILL_DB_PASSWORD", // of compose.yaml
		"WAYBILL_ENGINES", "WAYBILL_CLUSTER_HOLDER", "WAYBILL_GATE_DEVICES", // tests: which engines, their keeper, how many devices
		"WAYBILL_SEED", "WAYBILL_SCHEDULES", "WAYBILL_FAULT_SCHEDULES", "WAYBILL_SHOW", "WAYBILL_WHOLE", "WAYBILL_WITHOUT", // simulation and long tests
	}
}

// knownVariables are those of every flag of every subcommand, so that one file
// of variables may serve all of them, and the others.
func knownVariables(m *kong.Application) map[string]bool {
	known := make(map[string]bool)
	_ = kong.Visit(m.Node, func(n kong.Visitable, next kong.Next) error { // no visit fails
		if f, ok := n.(*kong.Flag); ok {
			for _, name := range f.Envs {
				known[name] = true
			}
		}
		return next(nil)
	})
	for _, name := range otherVariables() {
		known[name] = true
	}
	return known
}

// checkVariables refuses variables of ours that nobody reads, by name.
func checkVariables(environ []string, known map[string]bool) error {
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, ownPrefix) || ofTests(name) || known[name] || ofService(pair) {
			continue
		}
		all := slices.Sorted(maps.Keys(known))
		if near := nearest(name, all); near != "" {
			return fmt.Errorf("unknown variable %s, did you mean %s?", name, near)
		}
		return fmt.Errorf("unknown variable %s; known: %s", name, strings.Join(all, ", "))
	}
	return nil
}

// ofService says that a container platform set the variable: a service that is
// called waybill-gate gives WAYBILL_GATE_PORT=tcp://… to every container.
func ofService(pair string) bool {
	name, value, _ := strings.Cut(pair, "=")
	return strings.HasSuffix(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		strings.Contains(name, "_PORT_") && strings.Contains(name, "_TCP") || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// farthest is how many letters may differ for a name to be meant.
const farthest = 4

// nearest is the known name that was probably meant; empty if none is near.
func nearest(name string, known []string) (best string) {
	least := farthest + 1
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to change, add or take away between two
// names (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
