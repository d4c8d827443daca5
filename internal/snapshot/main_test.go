package snapshot_test

import (
	"os"
	"testing"

	"waybill/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
