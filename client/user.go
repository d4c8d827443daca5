package client

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// anonymous begins the user of a device whose token names none.
const anonymous = "anon:"

// userOf is whom a token names, as State.User says it; empty where the token
// cannot be read. Only a gate can verify it: the device reads it to know whose
// cursor it keeps.
func userOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct{ App, Sub, Device string }
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &claims) != nil {
		return ""
	}
	if claims.Sub == "" {
		claims.Sub = anonymous + claims.Device
	}
	return claims.App + "/" + claims.Sub
}

// nobody says that a State.User is a device without a person.
func nobody(user string) bool {
	_, name, _ := strings.Cut(user, "/")
	return strings.HasPrefix(name, anonymous)
}

// become makes the state that of the user who logs in next. One that is not
// known counts as the same.
func (s *State) become(user string) {
	if user == "" || user == s.User {
		return
	}
	if s.User != "" {
		s.Cursor = 0
	}
	s.User = user
}

// identifies is the session that ends when the user logs in.
func (s *State) identifies() []byte {
	if s.User == "" || nobody(s.User) {
		return nil
	}
	return s.Anonymous
}

// loggedIn keeps what a Welcome says.
func (s *State) loggedIn(ticket []byte, gates []string) {
	s.Ticket, s.Gates, s.Anonymous = ticket, gates, nil
	if nobody(s.User) {
		s.Anonymous = ticket
	}
}

// belong begins anew where somebody else has logged in. The caller is the
// handler goroutine.
func (c *Client) belong() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.hand.user {
	case c.state.User:
	case "":
		c.hand.user = c.state.User // its name has become known
	default:
		c.hand.user, c.hand.owed, c.hand.dedupe = c.state.User, 0, NewDedupe(c.state.Cursor)
	}
}

// lastGates are those of the last login.
func (c *Client) lastGates() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Gates
}
