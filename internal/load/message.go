package load

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
)

// Message bodies begin with a stamp, so that whoever reads one knows what it is
// and when it was meant to be sent.
const (
	stampSize = 24 // a multiple of 3: its base64 form stands alone
	// MinBody is the smallest body in bytes.
	MinBody = stampSize
	// family of all messages of this package.
	family = 7
)

// stamp is what a body begins with.
type stamp struct {
	run   uint64 // drawn for each run; others' messages are ignored
	index uint64 // of the message within the run, from 0
	at    int64  // when it was meant to be sent, nanoseconds since 1970
}

func (s stamp) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, s.run)
	dst = binary.BigEndian.AppendUint64(dst, s.index)
	return binary.BigEndian.AppendUint64(dst, uint64(s.at))
}

func parseStamp(b []byte) (s stamp, ok bool) {
	if len(b) < stampSize {
		return s, false
	}
	return stamp{
		run:   binary.BigEndian.Uint64(b),
		index: binary.BigEndian.Uint64(b[8:]),
		at:    int64(binary.BigEndian.Uint64(b[16:])),
	}, true
}

// filler is n bytes after a stamp: random, so that nothing along the way can
// make them smaller.
func filler(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// template writes push requests.
type template struct {
	users []string // quoted
	run   uint64
	mid   string // between user and stamp
	tail  string // after the stamp
}

func newTemplate(run uint64, users []string, label string, size int) *template {
	t := &template{
		run:  run,
		mid:  `,"family":` + strconv.Itoa(family) + `,"ttl":600,"label":` + strconv.Quote(label) + `,"body":"`,
		tail: base64.StdEncoding.EncodeToString(filler(max(size, MinBody)-stampSize)) + `"}`,
	}
	for _, u := range users {
		t.users = append(t.users, `{"user":`+strconv.Quote(u))
	}
	return t
}

// append writes the request of one message; users take turns.
func (t *template) append(dst []byte, index uint64, at int64) []byte {
	dst = append(dst, t.users[index%uint64(len(t.users))]...)
	dst = append(dst, t.mid...)
	var b [stampSize]byte
	dst = base64.StdEncoding.AppendEncode(dst, stamp{run: t.run, index: index, at: at}.append(b[:0]))
	return append(dst, t.tail...)
}

// appendCall writes the body of a call: an object for one message, else an
// array.
func (t *template) appendCall(dst []byte, first uint64, n int, at int64) []byte {
	if n == 1 {
		return t.append(dst, first, at)
	}
	for i := range n {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		dst = t.append(append(dst, sep), first+uint64(i), at)
	}
	return append(dst, ']')
}
