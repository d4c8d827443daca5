package rules

// A ban says that the packages `from` may not import the packages `to`.
// Patterns are paths within the module ("gate"), or of other modules
// ("github.com/…"); a final "/..." takes what lies below too, "*" every
// package of ours.
type ban struct {
	from, to []string
	except   []string // of from
	allow    []string // of to
	deep     bool     // also through other packages
	tests    bool     // test files too
	why      string
}

var (
	stages    = []string{"gate/...", "ingest/...", "delivery/...", "projector/session/...", "projector/hop/...", "console/..."}
	databases = []string{"database/sql", "github.com/jackc/pgx/...", "github.com/ClickHouse/..."}
	ours      = []string{"*"}
)

func bans() []ban {
	return append(append(stageBans(), arrowBans()...), libraryBans()...)
}

// stageBans keeps the stages apart, pair by pair.
func stageBans() []ban {
	var all []ban
	for i, stage := range stages {
		others := append(append([]string{}, stages[:i]...), stages[i+1:]...)
		all = append(all, ban{
			from: []string{stage}, to: others, deep: true,
			why: "Stages meet in the log alone. Each must run, fail and be released without the others; what two of them share is a package under internal/.",
		})
	}
	return all
}

func arrowBans() []ban {
	return []ban{{
		from: []string{"schemas/..."}, to: ours, allow: []string{"schemas/..."}, tests: true,
		why: "The bytes of the log outlive all code: they can depend on none of it.",
	}, {
		from: []string{"internal/wire/..."}, to: ours, allow: []string{"internal/wire/..."}, tests: true,
		why: "The frame codec is what others port to other languages. It knows headers and bytes, not events.",
	}, {
		from: []string{"internal/eventlog/..."}, to: ours, allow: []string{"internal/eventlog/...", "schemas/..."},
		why: "The log carries events and does not know what they mean to anybody.",
	}, {
		from: []string{"internal/mailbox/..."}, to: ours, allow: []string{"internal/mailbox/...", "schemas/..."}, deep: true,
		why: "The fold is what every reader of the log must agree on: events in, state out.",
	}, {
		from: []string{"client/..."}, to: ours, allow: []string{"client/...", "internal/wire/...", "schemas/..."}, deep: true,
		why: "The SDK goes into other people's programs: only the wire may come along, never a server's dependencies.",
	}, {
		from: ours, to: stages, allow: nil,
		except: append([]string{"cmd/...", "internal/app/...", "internal/demo/...", "internal/sim/...", "internal/e2e/..."}, stages...),
		why:    "Stages are wired in one place, which the binary and the end-to-end tests share.",
	}, {
		from: ours, to: []string{"cmd/...", "internal/sim/...", "internal/e2e/...", "internal/rules/..."}, tests: true,
		except: []string{"cmd/...", "internal/sim/...", "internal/e2e/..."},
		why:    "They stand at the end of the arrows: they may use everything, and nothing may need them.",
	}, {
		from: ours, to: []string{"internal/cluster/..."}, except: []string{"internal/cluster/...", "internal/e2e/..."},
		why: "It runs Apache Kafka out of the source tree, for tests.",
	}, {
		from: ours, to: []string{"internal/app/..."}, tests: true,
		except: []string{"cmd/...", "internal/app/...", "internal/demo/...", "internal/e2e/..."},
		why:    "The wiring knows every stage; whoever imports it knows them too.",
	}, {
		from: ours, to: []string{"internal/engine/..."},
		except: []string{"cmd/...", "internal/engine/...", "internal/app/...", "internal/demo/...", "internal/e2e/..."},
		why:    "The same code runs on embedded engines and on real clusters: only addresses differ, so only the wiring may know an engine.",
	}}
}

func libraryBans() []ban {
	return []ban{{
		from: ours, to: []string{"github.com/twmb/franz-go/..."},
		except: []string{"internal/eventlog/...", "internal/engine/...", "internal/demo/...", "internal/cluster/...", "internal/e2e/ledger/..."},
		why:    "One package owns origin, serials, bounds and the key check. A second producer beside it would break them in silence. (The demo plays an app-server, who reads uplinks with any Kafka client; the cluster of the tests asks who leads, and their ledger reads what is there without the code that it judges.)",
	}, {
		from: []string{"internal/engine/..."}, to: []string{"github.com/twmb/franz-go/..."},
		allow: []string{"github.com/twmb/franz-go/pkg/kfake/...", "github.com/twmb/franz-go/pkg/kmsg/..."},
		why:   "The engine is the broker in process (kmsg names the requests that it answers); whoever wants to be its client goes through internal/eventlog.",
	}, {
		from: []string{"gate/...", "ingest/...", "client/...", "internal/control/...", "internal/eventlog/..."}, to: databases, deep: true,
		why: "The way of a message asks no database: a login, a resume and a push must work while all of them are away.",
	}, {
		from: []string{"delivery/...", "projector/session/..."}, to: []string{"github.com/ClickHouse/..."}, deep: true,
		why: "Decisions and sessions rest on the log and on Postgres; ClickHouse is for looking back.",
	}, {
		from: append([]string{"internal/control/...", "internal/eventlog/...", "internal/wire/...", "schemas/..."}, stages...),
		to:   []string{"go.opentelemetry.io/otel/sdk/...", "go.opentelemetry.io/otel/exporters/..."},
		why:  "Stages speak to OpenTelemetry's API. Which SDK and exporter stand behind it is the operator's choice, made in the wiring.",
	}, {
		from: ours, to: []string{"github.com/alecthomas/kong"}, except: []string{"cmd/..."},
		why: "Flags end in cmd; below it, configuration is a struct.",
	}, {
		from: ours, to: []string{"testing", "testing/...", "github.com/google/go-cmp/...", "go.uber.org/goleak", "pgregory.net/rapid"},
		except: []string{"internal/sim/...", "internal/e2e/..."},
		why:    "Test helpers stay out of the binary. A package that exists for tests alone ends in \"test\", and production code does not import it.",
	}}
}
