package snapshot

import _ "embed"

// The statements of a flush: $1 is the partition, the other parameters are
// arrays with an element for each row.
var (
	//go:embed sql/advance.sql
	sqlAdvance string
	//go:embed sql/begin.sql
	sqlBegin string
	//go:embed sql/closing.sql
	sqlClosing string
	//go:embed sql/closing_end.sql
	sqlClosingEnd string
	//go:embed sql/debts.sql
	sqlDebts string
	//go:embed sql/debts_empty.sql
	sqlDebtsEmpty string
	//go:embed sql/debts_gone.sql
	sqlDebtsGone string
	//go:embed sql/devices.sql
	sqlDevices string
	//go:embed sql/plans.sql
	sqlPlans string
	//go:embed sql/pushes.sql
	sqlPushes string
	//go:embed sql/pushes_gone.sql
	sqlPushesGone string
	//go:embed sql/pushes_new.sql
	sqlPushesNew string
	//go:embed sql/recent.sql
	sqlRecent string
	//go:embed sql/recent_older.sql
	sqlRecentOlder string
	//go:embed sql/routes.sql
	sqlRoutes string
	//go:embed sql/routes_gone.sql
	sqlRoutesGone string
	//go:embed sql/sessions.sql
	sqlSessions string
	//go:embed sql/tombs.sql
	sqlTombs string
	//go:embed sql/tombs_end.sql
	sqlTombsEnd string
	//go:embed sql/wipe.sql
	sqlWipe string
	//go:embed sql/waiting.sql
	sqlWaiting string
	//go:embed sql/waiting_gone.sql
	sqlWaitingGone string
)

// The statements of a load: $1 is the partition.
var (
	//go:embed sql/load_closing.sql
	sqlLoadClosing string
	//go:embed sql/load_debts.sql
	sqlLoadDebts string
	//go:embed sql/load_devices.sql
	sqlLoadDevices string
	//go:embed sql/load_projection.sql
	sqlLoadProjection string
	//go:embed sql/load_pushes.sql
	sqlLoadPushes string
	//go:embed sql/load_recent.sql
	sqlLoadRecent string
	//go:embed sql/load_routes.sql
	sqlLoadRoutes string
	//go:embed sql/load_sessions.sql
	sqlLoadSessions string
	//go:embed sql/load_table.sql
	sqlLoadTable string
	//go:embed sql/load_tombs.sql
	sqlLoadTombs string
	//go:embed sql/load_waiting.sql
	sqlLoadWaiting string
)

//go:embed sql/checksum.sql
var sqlChecksum string

//go:embed sql/read_lock.sql
var sqlReadLock string

//go:embed sql/read_places.sql
var sqlReadPlaces string

// The statements that carry rows over into the next epoch.
var (
	//go:embed sql/carry_begin.sql
	sqlCarryBegin string
	//go:embed sql/carry_lock.sql
	sqlCarryLock string
	//go:embed sql/carry_moved.sql
	sqlCarryMoved string
	//go:embed sql/carry_places.sql
	sqlCarryPlaces string
	//go:embed sql/carry_tables.sql
	sqlCarryTables string
)
