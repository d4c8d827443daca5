package migrations

import (
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// VersionTable is where goose notes which files a database has had.
const VersionTable = goose.DefaultTablename

// PostgresVersion is the number of the newest file of Postgres: the schema that
// this binary needs.
func PostgresVersion() (int64, error) { return newest("postgres") }

// ClickHouseVersion is the number of the newest file of ClickHouse.
func ClickHouseVersion() (int64, error) { return newest("clickhouse") }

// newest reads the number in the name of the folder's last file: 00004_funnel.sql.
func newest(folder string) (int64, error) {
	all, err := fs.Glob(files, folder+"/*.sql") // sorted, and never empty: they are embedded
	if err != nil {
		return 0, fmt.Errorf("list migrations of %s: %w", folder, err)
	}
	n, err := goose.NumericComponent(all[len(all)-1])
	if err != nil {
		return 0, fmt.Errorf("number the newest migration of %s: %w", folder, err)
	}
	return n, nil
}
