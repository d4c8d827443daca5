package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"
)

// newBatch builds a batch with a right checksum around records.
func newBatch(attributes uint16, first, newest int64, records []byte) []byte {
	batch := append(make([]byte, batchHeader), records...)
	batch[batchMagic] = 2
	binary.BigEndian.PutUint16(batch[batchAttributes:], attributes)
	binary.BigEndian.PutUint64(batch[batchFirstTime:], uint64(first))
	binary.BigEndian.PutUint64(batch[batchMaxTime:], uint64(newest))
	binary.BigEndian.PutUint32(batch[batchCRC:], crc32.Checksum(batch[batchAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return batch
}

func times(batch []byte) (first, newest int64) {
	return int64(binary.BigEndian.Uint64(batch[batchFirstTime:])), int64(binary.BigEndian.Uint64(batch[batchMaxTime:]))
}

func TestStamp(t *testing.T) {
	const now = 5000
	for name, test := range map[string]struct {
		attributes    uint16
		first, newest int64 // as produced
		records       string
		wantFirst     int64
		wantRecords   string
	}{
		"one record":         {0, 10, 10, "\x0a\x00\x00\x00\x01x", now, "\x0a\x00\x00\x00\x01x"},
		"delta of one byte":  {0, 10, 13, "\x0a\x00\x06\x00\x01x", now, "\x0a\x00\x00\x00\x01x"},
		"delta of two bytes": {0, 10, 99, "\x0c\x00\xb2\x01\x00\x01x", now, "\x0c\x00\x80\x00\x00\x01x"},
		"two records":        {0, 10, 13, "\x04\x00\x01\x04\x00\x06", now, "\x04\x00\x00\x04\x00\x00"},
		"compressed":         {4, 10, 13, "opaque", now - 3, "opaque"},
		"compressed, absurd": {4, 13, 10, "opaque", now, "opaque"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStamper()
			s.last = now
			batch := newBatch(test.attributes, test.first, test.newest, []byte(test.records))
			s.stamp(batch)
			first, newest := times(batch)
			if first != test.wantFirst || newest != now || string(batch[batchHeader:]) != test.wantRecords {
				t.Errorf("[%d, %d] % x, want [%d, %d] % x", first, newest, batch[batchHeader:], test.wantFirst, now, test.wantRecords)
			}
			if !s.sound(batch) {
				t.Error("the checksum is wrong")
			}
		})
	}
}

func TestStampLeavesDamage(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"wrong checksum": func(b []byte) []byte { b[batchCRC]++; return b },
		"other magic":    func(b []byte) []byte { b[batchMagic] = 1; return b },
		"cut short":      func(b []byte) []byte { return b[:batchHeader-1] },
		"nothing":        func([]byte) []byte { return nil },
	} {
		batch := damage(newBatch(0, 10, 13, []byte("\x04\x00\x06")))
		before := bytes.Clone(batch)
		newStamper().stamp(batch)
		if !bytes.Equal(batch, before) {
			t.Errorf("%s: the batch was changed", name)
		}
	}
}

func TestStamperNeverGoesBack(t *testing.T) {
	s := newStamper()
	for i, now := range []int64{100, 90, 110} {
		s.now = func() time.Time { return time.UnixMilli(now) }
		s.tick()
		if want := []int64{100, 100, 110}[i]; s.last != want {
			t.Errorf("at %d the stamp is %d, want %d", now, s.last, want)
		}
	}
}

func FuzzStamp(f *testing.F) {
	f.Add([]byte("\x0a\x00\x06\x00\x01x"), uint16(0))
	f.Add([]byte("\x0c\x00\xb2\x01\x00\x01x"), uint16(4))
	f.Fuzz(func(t *testing.T, records []byte, attributes uint16) {
		s := newStamper()
		s.last = 42
		batch := newBatch(attributes, 1, 2, records)
		s.stamp(batch)
		if len(batch) != batchHeader+len(records) {
			t.Fatal("the batch changed its length")
		}
		if _, newest := times(batch); newest == 42 && !s.sound(batch) {
			t.Error("a stamped batch has a wrong checksum")
		}
	})
}
