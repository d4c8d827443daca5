package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// TestOperationsPage holds the tables of docs/operations.md against the binary.
func TestOperationsPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string) // by their first cell
	for line := range strings.Lines(string(b)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			rows[strings.TrimSpace(cells[1])] = line
		}
	}
	t.Setenv("WAYBILL_CLUSTER_KEY", key)
	for stage, addresses := range map[string]func(cli) []string{
		"gate":      func(c cli) []string { return []string{c.Gate.Listen, c.Gate.Metrics} },
		"ingest":    func(c cli) []string { return []string{c.Ingest.Listen, c.Ingest.Metrics} },
		"delivery":  func(c cli) []string { return []string{c.Delivery.Metrics} },
		"projector": func(c cli) []string { return []string{c.Projector.Metrics} },
		"console":   func(c cli) []string { return []string{c.Console.Listen, c.Console.Metrics} },
		"dev": func(c cli) []string {
			return []string{c.Dev.Gates[0], c.Dev.Ingest, c.Dev.Console, c.Dev.Broker, c.Dev.Metrics}
		},
	} {
		c, err := parse(t, stage)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range addresses(c) {
			_, port, _ := net.SplitHostPort(address)
			if row := rows["`"+stage+"`"]; !strings.Contains(row, port) {
				t.Errorf("the row of %s names no port %s: %q", stage, port, row)
			}
		}
	}
	for _, code := range []int{exitDrained, exitFailed, exitCrashed, exitStuck, exitReplaced, exitUsage, exitForced} {
		if _, ok := rows[fmt.Sprint(code)]; !ok || !strings.Contains(exitHelp, fmt.Sprintf(" %d ", code)) {
			t.Errorf("exit code %d is not in the page, or not in --help", code)
		}
	}
	if left := fmt.Sprintf("`RestartPreventExitStatus=%d %d`", exitReplaced, exitUsage); !strings.Contains(string(b), left) {
		t.Errorf("the page does not say %s: these two, and no other one, are not started again", left)
	}
	if c, err := parse(t, "migrate"); err != nil || !strings.Contains(rows["`migrate`"], fmt.Sprintf("(%.0f s)", c.Migrate.Wait.Seconds())) {
		t.Errorf("the row of migrate names another --wait than %s (%v)", c.Migrate.Wait, err)
	}
}
