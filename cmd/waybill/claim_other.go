//go:build !linux

package main

import "io"

// claimNumber claims nothing here: the log tells two gates of one number apart,
// and the older one ends.
func claimNumber([]string, uint32) (io.Closer, error) { return io.NopCloser(nil), nil }
