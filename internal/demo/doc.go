// Package demo is a small freight city on a Waybill: drivers report where they
// are, drive through tunnels and come back; an app-server reads the locations
// from waybill.uplink.<app> with a Kafka client of its own and offers orders to
// the drivers nearby.
//
// It uses Waybill as its users do: the device SDK, the push API over HTTP, the
// uplink topic, the read API. It owns nothing that outlives it.
package demo
