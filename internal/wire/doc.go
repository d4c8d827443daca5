// Package wire is the codec of the frames between a device and a gate.
//
// A frame is a header of 40 bytes, big-endian, then a payload. The payload is
// a prefix, which the header alone determines (see [Header.PrefixSize]), and a
// body, which only family 0 gives a meaning to:
//
//	 0       1       2        4        6         8        10         12
//	+-------+-------+--------+--------+---------+--------+----------+--------+
//	|version| kind  | flags  | family | command | status | reserved | length |
//	+-------+-------+--------+--------+---------+--------+----------+--------+
//	| sequence (16)          | trace id (24)                                 |
//	+------------------------+-----------------------------------------------+
//	| prefix (40), never compressed | body                                   |
//	+-------------------------------+----------------------------------------+
//
// docs/protocol.md is normative; testdata holds vectors for codecs in other
// languages. The package keeps no state, owns no connection and starts no
// goroutine. Parsed payloads alias the buffer that they were read from; whoever
// keeps one longer than the buffer copies it. Nothing is lost here: a frame is
// whole, not there yet ([ErrShort]), or wrong, and the error says how.
package wire
