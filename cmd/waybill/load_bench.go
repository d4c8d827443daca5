package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"waybill/internal/load"
)

type loadBenchCmd struct {
	Out      string        `help:"The page; the results are kept beside it, in a .json of the same name." default:"docs/benchmarks/push.md" type:"path"`
	Only     []string      `help:"Cases to run, by their keys; the page keeps the other ones as they are. Default: all." placeholder:"CASE"`
	List     bool          `help:"Say the keys of the cases, and end."`
	Command  string        `help:"How the page says it was made." default:"make bench"`
	Runs     int           `help:"Runs of each case; the result is their median." default:"3"`
	Duration time.Duration `help:"Measured part of each run." default:"8s"`
	Cluster  string        `help:"Script that runs Apache Kafka for the cases kafka-1 and kafka-3." default:".ci/kafka/cluster" type:"path"`
}

// Help tells how long it takes and what it needs.
func (*loadBenchCmd) Help() string {
	return `Each case starts what it measures in a fresh directory and ends it; nothing that runs already is used. All cases take ten minutes. Close other programs first.

A case that fails, or misses its goal, stands on the page with what was wrong, and the next one runs. The page is written after each case.`
}

// Run runs the suite and writes its page.
func (c *loadBenchCmd) Run(ctx context.Context) error {
	if c.List {
		for _, one := range load.Cases() {
			fmt.Printf("%-14s %s\n", one.Key, one.Name)
		}
		return nil
	}
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	book, err := load.OpenBook(c.Out)
	if err != nil {
		return err
	}
	began, wrong := time.Now(), 0
	suite := load.Suite{Start: starter(c.Cluster), Say: say, Runs: c.Runs, Duration: c.Duration, Only: c.Only, Command: c.command()}
	err = suite.Run(ctx, func(e load.Entry) error {
		wrong += len(e.Errors)
		return book.Add(e)
	})
	if err != nil {
		return err
	}
	say(fmt.Sprintf("%s is written after %s", c.Out, time.Since(began).Round(time.Second)))
	if missed := book.Missed(); len(missed) > 0 {
		say("missed goals: " + strings.Join(missed, ", "))
	}
	if wrong > 0 {
		return fmt.Errorf("%d runs are not whole; see %s", wrong, c.Out)
	}
	return nil
}

func (c *loadBenchCmd) command() string {
	if len(c.Only) == 0 {
		return c.Command
	}
	return c.Command + " ONLY=" + strings.Join(c.Only, ",")
}
