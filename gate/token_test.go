package gate

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"waybill/schemas"
)

// TestTokens: what a login accepts, what it must not, and why.
func TestTokens(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, _ := ed25519.GenerateKey(rand.Reader)
	good := jwt.MapClaims{"app": "freight", "sub": "ann", "device": "phone", "exp": noon.Add(time.Hour).Unix()}
	with := func(key string, value any) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range good {
			c[k] = v
		}
		if c[key] = value; value == nil {
			delete(c, key)
		}
		return c
	}
	const bad = schemas.Reason_REASON_BAD_TOKEN
	for name, c := range map[string]struct {
		method jwt.SigningMethod
		kid    string
		claims jwt.MapClaims
		key    any
		want   schemas.Reason
		known  bool // the person may be named in an event
	}{
		"HS256":                           {jwt.SigningMethodHS256, "k1", good, secret, 0, false},
		"EdDSA":                           {jwt.SigningMethodEdDSA, "k2", good, private, 0, false},
		"expired":                         {jwt.SigningMethodHS256, "k1", with("exp", noon.Unix()-1), secret, schemas.Reason_REASON_TOKEN_EXPIRED, true},
		"without expiry":                  {jwt.SigningMethodHS256, "k1", with("exp", nil), secret, bad, true},
		"signed with another secret":      {jwt.SigningMethodHS256, "k1", good, []byte("other"), bad, true},
		"signed with another key":         {jwt.SigningMethodEdDSA, "k2", good, foreign, bad, true},
		"alg none":                        {jwt.SigningMethodNone, "k1", good, jwt.UnsafeAllowNoneSignatureType, bad, false},
		"HS256 with the public key":       {jwt.SigningMethodHS256, "k2", good, []byte(public), bad, true},
		"HS512":                           {jwt.SigningMethodHS512, "k1", good, secret, bad, false},
		"another app's name":              {jwt.SigningMethodHS256, "k1", with("app", "other"), secret, schemas.Reason_REASON_UNKNOWN_APP, false},
		"unknown kid":                     {jwt.SigningMethodHS256, "k9", good, secret, schemas.Reason_REASON_UNKNOWN_APP, false},
		"no user":                         {jwt.SigningMethodHS256, "k1", with("sub", nil), secret, schemas.Reason_REASON_NOT_ADMITTED, true},
		"expired and no user":             {jwt.SigningMethodHS256, "k1", jwt.MapClaims{"app": "freight", "device": "phone", "exp": 1}, secret, schemas.Reason_REASON_TOKEN_EXPIRED, true},
		"a person called anon:phone":      {jwt.SigningMethodHS256, "k1", with("sub", "anon:phone"), secret, bad, false},
		"no device":                       {jwt.SigningMethodHS256, "k1", with("device", ""), secret, bad, false},
		"user too long":                   {jwt.SigningMethodHS256, "k1", with("sub", strings.Repeat("u", maxUser+1)), secret, bad, false},
		"device with a control character": {jwt.SigningMethodHS256, "k1", with("device", "a\nb"), secret, bad, false},
		"app is a number":                 {jwt.SigningMethodHS256, "k1", with("app", 7), secret, bad, false},
	} {
		t.Run(name, func(t *testing.T) {
			tok := jwt.NewWithClaims(c.method, c.claims)
			tok.Header["kid"] = c.kid
			s, err := tok.SignedString(c.key)
			if err != nil {
				t.Fatal(err)
			}
			who, no := newTokens(fakeApps{public}, func() time.Time { return noon }).verify(s)
			if c.want == 0 {
				if want := (admission{identity{"freight", "ann", "phone"}, noon.Add(time.Hour).UnixMicro()}); no != nil || who != want {
					t.Fatalf("got %v, refusal %v", who, no)
				}
				return
			}
			if no == nil {
				t.Fatalf("accepted as %v", who)
			}
			if no.reason != c.want || (no.who != nil) != c.known {
				t.Errorf("refused as %s, person known %v: want %s, %v (%s)", no.reason.Word(), no.who != nil, c.want.Word(), c.known, no.detail)
			}
		})
	}
}

// TestAnonymousToken: where the app lets them in, a device without a user is one.
func TestAnonymousToken(t *testing.T) {
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		want   admission
		no     schemas.Reason
	}{
		"no sub":             {jwt.MapClaims{"app": "kiosk", "device": "wall", "exp": noon.Unix() + 1}, admission{identity{"kiosk", "anon:wall", "wall"}, noon.UnixMicro() + 1e6}, 0},
		"a person":           {jwt.MapClaims{"app": "kiosk", "sub": "ann", "device": "wall", "exp": noon.Unix() + 1}, admission{identity{"kiosk", "ann", "wall"}, noon.UnixMicro() + 1e6}, 0},
		"good for ever":      {jwt.MapClaims{"app": "kiosk", "device": "wall", "exp": int64(1) << 50}, admission{identity{"kiosk", "anon:wall", "wall"}, latest * 1e6}, 0},
		"neither sub nor id": {jwt.MapClaims{"app": "kiosk", "exp": noon.Unix() + 1}, admission{}, schemas.Reason_REASON_BAD_TOKEN},
		"another app":        {jwt.MapClaims{"app": "freight", "device": "wall", "exp": noon.Unix() + 1}, admission{}, schemas.Reason_REASON_NOT_ADMITTED},
	} {
		t.Run(name, func(t *testing.T) {
			got, no := newTokens(fakeApps{}, func() time.Time { return noon }).verify(sign(t, c.claims))
			if got != c.want || (no != nil) != (c.no != 0) {
				t.Fatalf("got %v, refusal %v, want %v", got, no, c.want)
			}
			if no != nil && no.reason != c.no {
				t.Errorf("refused as %s, want %s", no.reason.Word(), c.no.Word())
			}
		})
	}
}

func TestTicket(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	s, err := newSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	want := &schemas.Ticket{App: "freight", User: "ann", Device: "phone", Session: make([]byte, 16), SessionTime: 5, Expires: 9, Login: 7}
	sealed, err := s.seal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(encode(want), encode(got)); d != "" {
		t.Errorf("ticket differs (-want +got):\n%s", d)
	}
	for i := range sealed {
		forged := append([]byte(nil), sealed...)
		forged[i] ^= 1
		if _, err := s.open(forged); err == nil {
			t.Errorf("a ticket with byte %d changed was opened", i)
		}
	}
	for n := range sealed {
		if _, err := s.open(sealed[:n]); err == nil {
			t.Errorf("a ticket cut to %d bytes was opened", n)
		}
	}
	key[0] ^= 1
	other, err := newSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.open(sealed); err == nil {
		t.Error("another cluster opened the ticket")
	}
	if _, err := newSealer(key[:16]); err == nil {
		t.Error("a short key was taken")
	}
}
