package migrations

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// VersionTable is where goose notes which files a database has had.
const VersionTable = "goose_db_version"

// PostgresVersion is the number of the newest file of Postgres: the schema that
// this binary needs.
func PostgresVersion() (int64, error) { return newest("postgres") }

// ClickHouseVersion is the number of the newest file of ClickHouse.
func ClickHouseVersion() (int64, error) { return newest("clickhouse") }

// newest reads the number in the name of the folder's last file: 00004_funnel.sql.
func newest(folder string) (int64, error) {
	all, err := fs.Glob(files, folder+"/*.sql") // sorted
	if err != nil || len(all) == 0 {
		return 0, fmt.Errorf("list migrations of %s: %w", folder, err)
	}
	name := strings.TrimPrefix(all[len(all)-1], folder+"/")
	digits, _, _ := strings.Cut(name, "_")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("number of migration %s: %w", name, err)
	}
	return n, nil
}
