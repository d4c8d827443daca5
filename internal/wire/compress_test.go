package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func compressed(t testing.TB, body []byte) string {
	t.Helper()
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	out, ok := c.Append(nil, body)
	if !ok {
		t.Fatalf("body of %d bytes was not compressed", len(body))
	}
	return hex.EncodeToString(out)
}

func decompress(t testing.TB, body []byte) []byte {
	t.Helper()
	d, err := NewDecompressor(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Append(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompressWhenItPays(t *testing.T) {
	noise := make([]byte, 1000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for name, c := range map[string]struct {
		body []byte
		want bool
	}{
		"empty":                {nil, false},
		"one below the bound":  {bytes.Repeat([]byte{'a'}, CompressAbove-1), false},
		"at the bound":         {bytes.Repeat([]byte{'a'}, CompressAbove), true},
		"does not get smaller": {noise, false},
		"as large as a frame":  {bytes.Repeat([]byte("order "), 10_000), true},
	} {
		t.Run(name, func(t *testing.T) {
			comp, err := NewCompressor()
			if err != nil {
				t.Fatal(err)
			}
			out, ok := comp.Append([]byte("head"), c.body)
			if ok != c.want {
				t.Fatalf("compressed is %v, want %v", ok, c.want)
			}
			if !bytes.HasPrefix(out, []byte("head")) {
				t.Fatalf("what stood before the body is gone")
			}
			body := out[len("head"):]
			if ok {
				body = decompress(t, body)
			}
			if !bytes.Equal(body, c.body) {
				t.Errorf("body of %d bytes came back with %d", len(c.body), len(body))
			}
		})
	}
}

// TestBomb: a kilobyte that claims to be, or becomes, many megabytes.
func TestBomb(t *testing.T) {
	const limit = 32 << 10
	zeros := make([]byte, 64<<20)
	for name, opts := range map[string][]zstd.EOption{
		"size is declared": nil,
		"one segment":      {zstd.WithSingleSegment(true)},
	} {
		enc, err := zstd.NewWriter(nil, opts...)
		if err != nil {
			t.Fatal(err)
		}
		refuse(t, name, enc.EncodeAll(zeros, nil), limit)
	}
	refuse(t, "size is not declared", stream(t, zeros), limit)
	refuse(t, "one byte too many", unhex(t, compressed(t, zeros[:limit+1])), limit)
	refuse(t, "two frames in one body", append(unhex(t, compressed(t, zeros[:limit])), unhex(t, compressed(t, zeros[:limit]))...), limit)

	d, err := NewDecompressor(limit)
	if err != nil {
		t.Fatal(err)
	}
	whole := unhex(t, compressed(t, zeros[:limit]))
	if out, err := d.Append(nil, whole); err != nil || len(out) != limit {
		t.Errorf("a body of exactly the limit: %d bytes, %v", len(out), err)
	}
}

// stream compresses without saying the size in front.
func stream(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	enc, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(body, 1<<20) {
		if _, err := enc.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := enc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func refuse(t *testing.T, name string, body []byte, limit int) {
	t.Helper()
	d, err := NewDecompressor(limit)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Append(make([]byte, 3, 8), body)
	if !errors.Is(err, zstd.ErrDecoderSizeExceeded) && !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		t.Errorf("%s: error is %v, want one about size", name, err)
	}
	if len(out) != 3 || cap(out) != 8 {
		t.Errorf("%s: the buffer is now %d of %d bytes", name, len(out), cap(out))
	}
}

func FuzzDecompress(f *testing.F) {
	f.Add(unhex(f, compressed(f, bytes.Repeat([]byte("waybill "), 64))))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	d, err := NewDecompressor(4096)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if out, err := d.Append(nil, body); err == nil && len(out) > 4096 {
			t.Errorf("%d bytes came out, limit is 4096", len(out))
		}
	})
}
