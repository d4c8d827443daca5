package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
)

// claimNumber takes a gate's number on this host: two gates of one number would
// end each other. It is a socket in the kernel's own name space: it leaves no
// file, and ends with the process however that ends. The cluster is known by the
// list of brokers as it is spelled, in any order: a gate that spells it otherwise
// (an address for a name, a broker more) is not seen here. Such gates, and those
// of other hosts, are told apart by the log: the newer one stays.
func claimNumber(brokers []string, number uint32) (io.Closer, error) {
	brokers = slices.Sorted(slices.Values(brokers))
	cluster := sha256.Sum256([]byte(strings.Join(brokers, ",")))
	l, err := net.Listen("unix", fmt.Sprintf("@waybill/%x/gate-%d", cluster[:8], number))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("gate %d of %s runs on this host already; allowed: another --number, or --take-over to end it", number, strings.Join(brokers, ","))
	case err != nil:
		return nil, fmt.Errorf("claim gate number %d: %w", number, err)
	}
	return l, nil
}
