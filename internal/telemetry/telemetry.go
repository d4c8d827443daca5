// Package telemetry sets up what a process says of itself: logs (slog),
// metrics (Prometheus, on a private port) and traces (OTLP, when an endpoint
// is configured). The stages know only the interfaces that they are handed.
//
// The way of each message is not kept here: every hop of every message is in
// ClickHouse. Spans are for those who have a tracing system already.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config of a process's telemetry.
type Config struct {
	// Node names the process: gate-1@host.
	Node string
	// Listen is the private address of /metrics and the health checks; empty =
	// none.
	Listen string
	// Ready says whether the process can do its work now; nil = always.
	Ready func() error
	Log   *slog.Logger
}

// Telemetry of one process.
type Telemetry struct {
	Meter  metric.Meter
	Tracer trace.Tracer // nil where no endpoint is configured

	log     *slog.Logger
	metrics *sdkmetric.MeterProvider
	traces  *sdktrace.TracerProvider // nil without an endpoint
	ln      net.Listener             // nil without an address
	server  *http.Server
}

// New makes the providers and opens the private port. Close ends them.
func New(ctx context.Context, cfg Config) (*Telemetry, error) {
	t := &Telemetry{log: cfg.Log}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	res := resource.NewSchemaless(attribute.String("service.name", "waybill"), attribute.String("service.instance.id", cfg.Node))
	registry := prometheus.NewRegistry()
	reader, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("make prometheus exporter: %w", err)
	}
	t.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter))
	t.Meter = t.metrics.Meter("waybill")
	if err := t.trace(ctx, res); err != nil {
		return nil, err
	}
	if err := t.listen(cfg, registry); err != nil {
		return nil, err
	}
	return t, nil
}

// trace exports spans when the standard variable names an endpoint.
func (t *Telemetry) trace(ctx context.Context, res *resource.Resource) error {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("make span exporter: %w", err)
	}
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	t.Tracer = t.traces.Tracer("waybill")
	return nil
}

func (t *Telemetry) listen(cfg Config, registry *prometheus.Registry) error {
	if cfg.Listen == "" {
		return nil
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	t.ln = ln
	t.server = &http.Server{Handler: handler(cfg, registry), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := t.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			t.log.Error("serve metrics", "err", err)
		}
	}()
	return nil
}

func handler(cfg Config, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if cfg.Ready != nil {
			if err := cfg.Ready(); err != nil {
				http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ready")
	})
	profiles(mux)
	return mux
}

// profiles are for whoever looks into a running process: go tool pprof takes
// their addresses. They tell everything about it: one more reason why the port
// is private.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// Addr of the private port; empty without one.
func (t *Telemetry) Addr() string {
	if t.ln == nil {
		return ""
	}
	return t.ln.Addr().String()
}

// Close flushes what is under way, for as long as ctx allows.
func (t *Telemetry) Close(ctx context.Context) error {
	var errs []error
	if t.server != nil {
		errs = append(errs, t.server.Shutdown(ctx))
	}
	if t.traces != nil {
		errs = append(errs, t.traces.Shutdown(ctx))
	}
	errs = append(errs, t.metrics.Shutdown(ctx))
	return errors.Join(errs...)
}
