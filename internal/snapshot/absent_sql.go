package snapshot

import _ "embed"

// The statements that tell who is present, and that read users again: $1 is the
// partition.
var (
	//go:embed sql/load_recent_since.sql
	sqlLoadRecentSince string
	//go:embed sql/rest_devices.sql
	sqlRestDevices string
	//go:embed sql/rest_present.sql
	sqlRestPresent string
	//go:embed sql/rest_pushes.sql
	sqlRestPushes string
	//go:embed sql/rest_recent_older.sql
	sqlRestRecentOlder string
	//go:embed sql/rest_tombs.sql
	sqlRestTombs string
	//go:embed sql/rest_waiting.sql
	sqlRestWaiting string
)
