package e2e

import (
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"waybill/internal/e2e/program"
	"waybill/internal/engine"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(built)
		os.Exit(code)
	}))
}

// built is the folder of the binary; empty as long as nobody needed it.
var built string

// build makes the binary, once; TestMain removes it.
var build = sync.OnceValues(func() (path string, err error) {
	if built, err = os.MkdirTemp("", "waybill-e2e-"); err != nil {
		return "", err
	}
	return program.Build(built)
})

// waybillBinary is the program itself. Most tests here do without.
func waybillBinary(t testing.TB) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
