package ingest

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"waybill/schemas"
)

// request is one push request, or one cancel: an object, an element of an array
// or a line of a stream. Its recipients share everything but their push ids.
type request struct {
	cancel   bool // it is a cancel; set before it is parsed
	users    []string
	device   string
	family   uint32
	command  uint32
	body     []byte
	ttl      int64 // milliseconds
	label    string
	name     string // the caller's own push id
	trace    trace
	seen     uint32 // bit n: fields[n] was there
	hasBytes bool

	// Options; see option.
	collapse  string
	deliverAt int64 // microseconds since 1970; 0 = at once
	passed    int64 // deliver_at that had passed when it was read; 0 = none
	firstWins bool
	dry       bool // only checked

	redrives uint64 // position of the dead push that it says again; 0 = none
}

// fields in the order of the bits of request.seen.
var fields = [...]string{"user", "users", "device", "family", "command", "body", "json", "ttl", "label", "push_id", "traceparent",
	"collapse_key", "deliver_at", "first_device_wins", "dry_run"}

const allowedFields = "user, users, device, family, command, body, json, ttl, label, push_id, traceparent, collapse_key, deliver_at, first_device_wins, dry_run"

// What each field allows, for messages and for docs/openapi.yaml.
const (
	allowUser    = "1 to 256 bytes of UTF-8 without control characters"
	allowUsers   = "an array of 1 to 1000 users, each of " + allowUser + ", none twice"
	allowDevice  = "a device's name of " + allowUser + ", or no device: all of the user's"
	allowFamily  = "a whole number from 1 to 65535"
	allowCommand = "a whole number from 0 to 65535"
	allowBody    = "base64 with padding (RFC 4648, section 4) of at most 32768 bytes"
	allowJSON    = "any JSON value of at most 32768 bytes"
	allowOneBody = "exactly one of body (base64) and json (any JSON value)"
	allowOneUser = "exactly one of user (a string) and users (an array of strings)"
	allowTTL     = "seconds from 0 (now or never) to 518400 (six days)"
	allowLabel   = "1 to 64 bytes of UTF-8 without control characters"
	allowPushID  = "1 to 128 bytes of UTF-8 without control characters, or an id that an answer named"
	allowTrace   = "a W3C traceparent, 00-TRACEID-SPANID-FLAGS"
)

// parseOne reads a call that is one object, or a line.
func parseOne(r *request, text string) *Violation {
	s := &scanner{text: text}
	if v := r.parse(s); v != nil {
		return v
	}
	if err := s.end(); err != nil {
		return notJSON("", err)
	}
	return nil
}

// usualElement is how many bytes a push request takes at least, usually.
const usualElement = 160

// parseArray reads a call that is an array of objects: push requests or cancels.
func parseArray(text string, cancel bool) ([]request, *Violation) {
	var (
		s     = &scanner{text: text}
		all   = make([]request, 0, 1+len(text)/usualElement)
		total int
		bad   *Violation
	)
	err := s.array(func(n int) error {
		all = append(all, request{cancel: cancel})
		r := &all[n]
		if bad = r.parse(s); bad == nil {
			if total += len(r.users); total > MaxPushes {
				bad = violation("", "has too many recipients", "20000 in one call; a stream (application/x-ndjson) has no bound")
			}
		}
		if bad != nil {
			bad.Element = n
			return errStop
		}
		return nil
	})
	if err == nil {
		err = s.end()
	}
	switch {
	case bad != nil:
		return nil, bad
	case err != nil:
		return nil, notJSON("", err)
	case len(all) == 0:
		return nil, violation("", "is an empty array", "1 element or more")
	}
	return all, nil
}

// errStop ends a scan whose violation is known.
var errStop = errors.New("stop")

// parse takes one object and checks it.
func (r *request) parse(s *scanner) *Violation {
	if c := s.peek(); c != '{' {
		if s.at >= len(s.text) {
			return violation("", "is empty", r.whole())
		}
		return violation("", classOf(c), r.whole())
	}
	r.ttl = DefaultTTL * 1000
	var bad *Violation
	err := s.object(func(name string) error {
		if bad = r.field(s, name); bad != nil {
			return errStop
		}
		return nil
	})
	if bad != nil {
		return bad
	}
	if err != nil {
		return notJSON("", err)
	}
	if r.cancel {
		return r.checkCancel()
	}
	return r.check()
}

// field takes one value.
func (r *request) field(s *scanner, name string) *Violation {
	n := indexOf(name)
	switch {
	case r.cancel && !ofCancel(name):
		return violation(quoted(name), "is unknown", cancelFields)
	case n < 0:
		return violation(quoted(name), "is unknown", allowedFields)
	}
	if r.seen&(1<<n) != 0 {
		return violation(name, "stands twice", "each field once")
	}
	r.seen |= 1 << n
	switch name {
	case "user":
		return r.readUser(s)
	case "users":
		return r.readUsers(s)
	case "device":
		return text(s, name, &r.device, MaxUser, allowDevice)
	case "family":
		return number16(s, name, &r.family, 1, allowFamily)
	case "command":
		return number16(s, name, &r.command, 0, allowCommand)
	case "body":
		return r.readBody(s)
	case "json":
		return r.readJSON(s)
	case "ttl":
		return r.readTTL(s)
	case "label":
		return text(s, name, &r.label, MaxLabel, allowLabel)
	case "push_id":
		return text(s, name, &r.name, MaxPushID, allowPushID)
	default:
		return r.option(s, name)
	}
}

func indexOf(name string) int {
	for n := range fields {
		if fields[n] == name {
			return n
		}
	}
	return -1
}

func (r *request) has(name string) bool { return r.seen&(1<<indexOf(name)) != 0 }

// check looks at what fields mean together.
func (r *request) check() *Violation {
	switch {
	case r.has("user") && r.has("users"):
		return violation("user", "and users stand both there", allowOneUser)
	case len(r.users) == 0:
		return violation("user", "is missing", allowOneUser)
	case r.device != "" && len(r.users) > 1:
		return violation("device", "stands beside several users", "a device belongs to one user")
	case !r.has("family"):
		return violation("family", "is missing", allowFamily)
	case r.has("body") && r.has("json"):
		return violation("body", "and json stand both there", allowOneBody)
	case !r.hasBytes:
		return violation("body", "is missing", allowOneBody)
	case r.tooLate():
		return violation("deliver_at", "and ttl together reach too far ahead", allowDeliverAt)
	}
	return nil
}

func (r *request) readUser(s *scanner) *Violation {
	var user string
	if v := text(s, "user", &user, MaxUser, allowUser); v != nil {
		return v
	}
	r.users = append(r.users, user)
	return nil
}

func (r *request) readUsers(s *scanner) *Violation {
	if c := s.peek(); c != '[' {
		return violation("users", classOf(c), allowUsers)
	}
	var bad *Violation
	names := make(map[string]struct{})
	err := s.array(func(n int) error {
		var user string
		field := "users[" + strconv.Itoa(n) + "]"
		bad = text(s, field, &user, MaxUser, allowUser)
		if _, twice := names[user]; bad == nil && twice {
			bad = violation(field, "stands twice", allowUsers)
		}
		if n >= MaxUsers {
			bad = violation("users", "has more than 1000 elements", allowUsers)
		}
		if bad != nil {
			return errStop
		}
		names[user] = struct{}{}
		r.users = append(r.users, user)
		return nil
	})
	switch {
	case bad != nil:
		return bad
	case err != nil:
		return notJSON("users", err)
	case len(r.users) == 0:
		return violation("users", "is an empty array", allowUsers)
	}
	return nil
}

func (r *request) readBody(s *scanner) *Violation {
	var encoded string
	if v := stringOf(s, "body", &encoded, allowBody); v != nil {
		return v
	}
	if base64.StdEncoding.DecodedLen(len(encoded)) > MaxBody+2 {
		return violation("body", "is too long", allowBody)
	}
	// Strict: two texts for the same bytes would be two digests of one push id.
	body, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return violation("body", "is not base64", allowBody)
	}
	if len(body) > MaxBody {
		return violation("body", "is too long", allowBody)
	}
	r.body, r.hasBytes = body, true
	return nil
}

func (r *request) readJSON(s *scanner) *Violation {
	raw, err := s.raw()
	if err != nil {
		return notJSON("json", err)
	}
	if len(raw) > MaxBody {
		return violation("json", "is too long", allowJSON)
	}
	r.body, r.hasBytes = []byte(raw), true
	return nil
}

func (r *request) readTTL(s *scanner) *Violation {
	digits, v := numberOf(s, "ttl", allowTTL)
	if v != nil {
		return v
	}
	seconds, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || seconds > MaxTTL:
		return violation("ttl", "is too long", allowTTL)
	case seconds < 0:
		return violation("ttl", "is negative", allowTTL)
	}
	r.ttl = int64(math.Ceil(seconds * 1000)) // 0 would mean now or never
	return nil
}

func (r *request) readTrace(s *scanner) *Violation {
	var header string
	if v := stringOf(s, "traceparent", &header, allowTrace); v != nil {
		return v
	}
	t, ok := parseTraceparent(header)
	if !ok {
		return violation("traceparent", "is malformed", allowTrace)
	}
	r.trace = t
	return nil
}

// pushID is the push's name in the log for one of the users. Ids that an answer
// named stand for themselves, so that a call can be said again.
func (r *request) pushID(app, user string, now time.Time) schemas.ID {
	if r.name == "" {
		return schemas.NewID(now)
	}
	if id, err := schemas.ParseID(r.name); err == nil && id[8]>>6 == 2 && (id[6]>>4 == 7 || id[6]>>4 == 8) {
		return id
	}
	return schemas.NamedID(app, user, r.name)
}
