package e2e

import (
	"bytes"
	"testing"
	"time"

	"waybill/internal/app"
	"waybill/internal/demo"
)

// TestCity: the demo balances its books.
func TestCity(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Config{
		Drivers: 20, For: 4 * time.Second, App: w.App.Name, APIKey: w.App.APIKey, Token: w.App.Token,
		Gates: w.gates, Brokers: w.Base.Kafka, Ingest: w.url(app.DevIngest), Console: w.url(app.DevConsole), Out: &out,
	})
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
}
