package deploy

import (
	"os"
	"testing"

	"waybill/internal/e2e/program"
)

// binary is what every test here runs.
var binary string

func TestMain(m *testing.M) { os.Exit(program.Main(m, &binary)) }
