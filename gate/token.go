package gate

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"waybill/schemas"
)

// Bounds of what a token may name, in bytes. They go into the key of every
// record about the user.
const (
	maxApp    = 64
	maxUser   = 256
	maxDevice = 128
)

// anonymous begins the user of a device whose token names none: anon:<device>.
// No person's name may.
const anonymous = "anon:"

// identity is whom a connection belongs to.
type identity struct{ app, user, device string }

// nobody is that device before a person has logged in on it.
func (i identity) nobody() identity {
	return identity{i.app, anonymous + i.device, i.device}
}

// admission is what a token says.
type admission struct {
	identity
	expires int64 // microseconds since 1970
}

// refusal says why somebody was turned away. who is set as far as it could be
// believed: only then is it worth an event.
type refusal struct {
	reason schemas.Reason
	detail string
	who    *identity
}

// Error is what the device's log will show.
func (r *refusal) Error() string { return r.detail }

// tokens verifies device tokens. The algorithm is that of the app's key; what
// the token says of itself must agree with it and decides nothing.
type tokens struct {
	apps   Apps
	parser *jwt.Parser
}

// newTokens allows two algorithms at all; which one counts is the key's word.
func newTokens(apps Apps, now func() time.Time) *tokens {
	return &tokens{apps, jwt.NewParser(
		jwt.WithValidMethods([]string{algEdDSA, algHS256}),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(now),
	)}
}

const (
	algEdDSA = "EdDSA"
	algHS256 = "HS256"
)

type claims struct {
	App    string `json:"app"`
	Device string `json:"device"`
	jwt.RegisteredClaims

	known bool // the app has the key that the token names
}

// verify returns whom the token lets in, and until when.
func (t *tokens) verify(token string) (admission, *refusal) {
	c := &claims{}
	_, err := t.parser.ParseWithClaims(token, c, func(tok *jwt.Token) (any, error) { return t.key(tok, c) })
	if err != nil {
		return admission{}, refuseToken(err, c)
	}
	who, err := c.who()
	switch {
	case err != nil:
		return admission{}, &refusal{reason: schemas.Reason_REASON_BAD_TOKEN, detail: err.Error()}
	case c.Subject == "" && !t.apps.Anonymous(c.App):
		no := schemas.Reason_REASON_NOT_ADMITTED
		return admission{}, &refusal{reason: no, detail: no.Explain(), who: &who}
	}
	return admission{who, min(c.ExpiresAt.Unix(), latest) * 1e6}, nil
}

// latest bounds what a token says of its end, so that microseconds of it can be
// counted: the year 9999.
const latest = 253402300799

// errNoKey: nothing is known about the sender, not even that the app exists.
var errNoKey = errors.New("no such key")

// key finds the app's key for a token that has been parsed and not yet believed.
// An algorithm other than the key's ends here: a public key must never be taken
// for a shared secret.
func (t *tokens) key(tok *jwt.Token, c *claims) (any, error) {
	kid, _ := tok.Header["kid"].(string)
	alg, key, ok := t.apps.TokenKey(c.App, kid)
	if !ok {
		return nil, fmt.Errorf("%w: app %.*q, kid %.*q", errNoKey, maxApp, c.App, maxApp, kid)
	}
	c.known = true
	if said := tok.Method.Alg(); said != alg {
		return nil, fmt.Errorf("the token says algorithm %s: the key is for %s", said, alg)
	}
	if alg == algEdDSA {
		return ed25519Key(key)
	}
	return key, nil
}

// ed25519Key checks the size, on which the verification would panic.
func ed25519Key(key []byte) (any, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the app's key has %d bytes: EdDSA needs %d", len(key), ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(key), nil
}

// refuseToken tells a stranger from somebody of a known app who has the wrong
// token. User and device are taken as they were said: an event about them is
// bounded, and a stranger cannot make one up for an app that does not exist.
func refuseToken(err error, c *claims) *refusal {
	r := &refusal{reason: schemas.Reason_REASON_BAD_TOKEN, detail: "the token is not valid: " + err.Error()}
	switch {
	case errors.Is(err, errNoKey):
		r.reason = schemas.Reason_REASON_UNKNOWN_APP
		return r
	case errors.Is(err, jwt.ErrTokenMalformed):
		return r
	case errors.Is(err, jwt.ErrTokenExpired):
		r.reason = schemas.Reason_REASON_TOKEN_EXPIRED
	}
	if who, err := c.who(); c.known && err == nil {
		r.who = &who
	}
	return r
}

// who is named by the claims: a person, or the device itself.
func (c *claims) who() (identity, error) {
	i := identity{c.App, c.Subject, c.Device}
	if strings.HasPrefix(i.user, anonymous) {
		return i, fmt.Errorf("claim sub begins with %q: a person's name must not, and a device without one has no sub", anonymous)
	}
	if i.user == "" {
		i = i.nobody()
	}
	return i, i.check()
}

// check bounds the names. The device comes before the user, who may be called
// after it.
func (i identity) check() error {
	for _, f := range []struct {
		claim, value string
		most         int
	}{{"app", i.app, maxApp}, {"device", i.device, maxDevice}, {"sub", i.user, maxUser}} {
		if err := checkName(f.value, f.most); err != nil {
			return fmt.Errorf("claim %s %w", f.claim, err)
		}
	}
	return nil
}

// checkName keeps control characters out of keys, logs and pages.
func checkName(s string, most int) error {
	if s == "" {
		return errors.New("is missing: it must name somebody")
	}
	if len(s) > most {
		return fmt.Errorf("has %d bytes: at most %d are allowed", len(s), most)
	}
	if !utf8.ValidString(s) {
		return errors.New("is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return errors.New("holds a control character: none is allowed")
		}
	}
	return nil
}
