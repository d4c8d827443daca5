package session

import (
	"fmt"
	"os"
	"testing"

	"waybill/internal/engine"
	"waybill/internal/pgtest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	code := pgtest.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
