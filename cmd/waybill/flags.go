package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// engines are the addresses that a stage of its own needs.
type engines struct {
	Kafka      []string `help:"Brokers to begin with, host:port." env:"WAYBILL_KAFKA" default:"127.0.0.1:9092"`
	Postgres   string   `help:"Postgres, as a DSN or URL." env:"WAYBILL_POSTGRES" default:"postgres://waybill@127.0.0.1:5432/waybill"`
	ClickHouse string   `help:"ClickHouse, as a URL." name:"clickhouse" env:"WAYBILL_CLICKHOUSE" default:"clickhouse://default@127.0.0.1:9000/default"`
}

// check refuses what cannot be an address.
func (e engines) check() error {
	if len(e.Kafka) == 0 {
		return errors.New("--kafka is empty; allowed: one broker or more, as host:port")
	}
	for _, broker := range e.Kafka {
		if err := checkAddress("--kafka", broker); err != nil {
			return err
		}
	}
	return nil
}

// process are the flags of every long-running process.
type process struct {
	Number uint32 `help:"Number of this process within its stage, from 1." env:"WAYBILL_NUMBER" default:"1"`
}

// Help of the stages says how they end.
func (process) Help() string { return exitHelp }

func (p process) check() error {
	if p.Number == 0 {
		return errors.New("--number is 0; allowed: 1 or more, another one for each process of the stage")
	}
	return nil
}

// together joins what several checks found into one sentence.
func together(found ...error) error {
	var all []string
	for _, err := range found {
		if err != nil {
			all = append(all, err.Error())
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

// checkAddress refuses what is not host:port.
func checkAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s is %q; allowed: host:port, such as 127.0.0.1:7400", flag, address)
	}
	return nil
}

// checkPrivate is checkAddress for a private port, which may be left out.
func checkPrivate(address string) error {
	if address == "" {
		return nil
	}
	return checkAddress("--metrics", address)
}

// checkAbove refuses a value that is not above zero.
func checkAbove[T int | time.Duration](flag string, value T) error {
	if value <= 0 {
		return fmt.Errorf("%s is %v; allowed: more than 0", flag, value)
	}
	return nil
}

// hexKey is 32 bytes as 64 hex digits.
type hexKey []byte

// UnmarshalText reads the digits.
func (k *hexKey) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 32 {
		return fmt.Errorf("want 64 hex digits (32 bytes), got %d characters", len(text))
	}
	*k = b
	return nil
}
