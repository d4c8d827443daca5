package wire

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// CompressAbove is the body size in bytes from which compression is tried:
// below it zstd's own header and the CPU time cost more than they save.
const CompressAbove = 128

// compressWindow bounds what a decoder must keep: bodies are small, so a
// larger window would only cost memory.
const compressWindow = 64 << 10

// Settings, for bodies of a few kilobytes: one call for each body, so that its
// size stands in front and a decoder knows at once what it will need; no
// checksum, because TCP has one; one encoder, because a caller has a loop of
// its own; the fastest level, because the next ones save a few percent of bytes
// for a multiple of the time.

// Compressor compresses bodies, each on its own. It is safe for use by several
// goroutines.
type Compressor struct{ enc *zstd.Encoder }

// NewCompressor returns a compressor of zstd's fastest level.
func NewCompressor() (*Compressor, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(compressWindow),
		zstd.WithEncoderCRC(false),
		zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("start zstd encoder: %w", err)
	}
	return &Compressor{enc: enc}, nil
}

// Append appends body to dst, compressed if that makes it smaller; ok says
// whether it is, that is, whether the frame needs [FlagCompressed].
func (c *Compressor) Append(dst, body []byte) (out []byte, ok bool) {
	if len(body) < CompressAbove {
		return append(dst, body...), false
	}
	out = c.enc.EncodeAll(body, dst)
	if len(out)-len(dst) >= len(body) {
		return append(out[:len(dst)], body...), false
	}
	return out, true
}

// Decompressor reads compressed bodies up to a size. It is safe for use by
// several goroutines.
type Decompressor struct {
	dec *zstd.Decoder
	max int
}

// NewDecompressor returns a decompressor that refuses every body which would
// become larger than limit bytes, or which asks for a larger window, before
// that memory is taken.
func NewDecompressor(limit int) (*Decompressor, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(max(limit, 1))))
	if err != nil {
		return nil, fmt.Errorf("start zstd decoder: %w", err)
	}
	return &Decompressor{dec: dec, max: limit}, nil
}

// Append appends what body decompresses to. On an error dst is returned as it
// was.
func (d *Decompressor) Append(dst, body []byte) ([]byte, error) {
	out, err := d.dec.DecodeAll(body, dst)
	if err != nil {
		return dst, fmt.Errorf("decompress body of %d bytes to at most %d: %w", len(body), d.max, err)
	}
	return out, nil
}
