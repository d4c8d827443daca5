package control

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"waybill/schemas"
)

// MinSecret is the least length of API keys and shared secrets, in bytes.
const MinSecret = 32

// Algorithms of token keys, as a JWT's header names them.
const (
	EdDSA = "EdDSA"
	HS256 = "HS256"
)

var (
	appName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	keyName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	apiKey  = regexp.MustCompile(`^[[:graph:]]+$`)
)

// The file of `waybill migrate --apps FILE`.
type (
	appsFile struct {
		Apps []fileApp `json:"apps"`
	}
	fileApp struct {
		Name      string         `json:"name"`
		APIKeys   []fileAPIKey   `json:"api_keys"`
		TokenKeys []fileTokenKey `json:"token_keys"`
		Policy    *filePolicy    `json:"policy"`
	}
	filePolicy struct {
		Devices string `json:"devices"`
		Expiry  *int64 `json:"session_expiry"`
		// Milliseconds; 0 = it is not said.
		Unreached *int64 `json:"unreached_after"`
		Anonymous bool   `json:"anonymous"`
		// Outcomes are told in waybill.outcomes.<app>.
		Outcomes bool `json:"outcomes"`
	}
	fileAPIKey struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	}
	fileTokenKey struct {
		ID        string `json:"id"`
		Algorithm string `json:"algorithm"`
		Secret    string `json:"secret"`
		PublicKey string `json:"public_key"`
	}
)

// ReadFile reads the apps of a JSON file and checks all of it; what is wrong is
// said all at once, each with its place and what is allowed. Keys and secrets
// are never repeated.
//
//	{"apps": [{
//	  "name": "freight",
//	  "api_keys":   [{"id": "city", "key": "at least 32 characters"}],
//	  "token_keys": [{"id": "k1", "algorithm": "HS256", "secret": "at least 32 bytes"},
//	                 {"id": "k2", "algorithm": "EdDSA", "public_key": "32 bytes in base64"}],
//	  "policy":     {"devices": "one_per_user", "session_expiry": 604800, "anonymous": true, "unreached_after": 3000}
//	}]}
//
// Without a policy, or one of its fields, the default of [Policy] holds.
func ReadFile(r io.Reader) ([]*schemas.App, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read apps: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var file appsFile
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("read apps: %w; allowed: an object with apps, each with name, api_keys (id, key), token_keys (id, algorithm, secret or public_key) and policy (devices, session_expiry, anonymous, unreached_after, outcomes)", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read apps: there is more after the object; allowed: one object")
	}
	c := checker{keys: make(map[[sha256.Size]byte]string), names: make(map[string]bool)}
	var apps []*schemas.App
	for i, app := range file.Apps {
		apps = append(apps, c.app(i, app))
	}
	if len(file.Apps) == 0 {
		c.wrong("apps", "is missing or empty", "1 app or more")
	}
	return apps, errors.Join(c.errs...)
}

// checker collects what is wrong with a file.
type checker struct {
	errs  []error
	names map[string]bool              // of apps
	keys  map[[sha256.Size]byte]string // of API keys, and where each stands
}

func (c *checker) wrong(field, problem, allowed string) {
	c.errs = append(c.errs, fmt.Errorf("%s %s; allowed: %s", field, problem, allowed))
}

func (c *checker) app(n int, f fileApp) *schemas.App {
	at := fmt.Sprintf("apps[%d]", n)
	if !appName.MatchString(f.Name) {
		c.wrong(at+".name", fmt.Sprintf("is %q", f.Name), "1 to 40 lower-case letters, digits and dashes, a letter first")
	}
	if c.names[f.Name] {
		c.wrong(at+".name", fmt.Sprintf("%q stands twice", f.Name), "each app once")
	}
	c.names[f.Name] = true
	app := &schemas.App{Name: f.Name}
	ids := make(map[string]bool)
	for i, k := range f.APIKeys {
		app.ApiKeys = append(app.ApiKeys, c.apiKey(fmt.Sprintf("%s.api_keys[%d]", at, i), k, ids))
	}
	clear(ids)
	for i, k := range f.TokenKeys {
		app.TokenKeys = append(app.TokenKeys, c.tokenKey(fmt.Sprintf("%s.token_keys[%d]", at, i), k, ids))
	}
	app.Policy = c.policy(at+".policy", f.Policy)
	return app
}

func (c *checker) id(at, id string, ids map[string]bool) {
	if !keyName.MatchString(id) {
		c.wrong(at+".id", fmt.Sprintf("is %q", id), "1 to 64 letters, digits, dots, dashes and underscores")
	}
	if ids[id] {
		c.wrong(at+".id", fmt.Sprintf("%q stands twice", id), "each id once within an app")
	}
	ids[id] = true
}

func (c *checker) apiKey(at string, k fileAPIKey, ids map[string]bool) *schemas.ApiKey {
	c.id(at, k.ID, ids)
	sum := sha256.Sum256([]byte(k.Key))
	switch {
	case len(k.Key) < MinSecret:
		c.wrong(at+".key", fmt.Sprintf("has %d characters", len(k.Key)), fmt.Sprintf("%d or more", MinSecret))
	case !apiKey.MatchString(k.Key):
		c.wrong(at+".key", "cannot stand in an Authorization header", "printable ASCII without spaces")
	case c.keys[sum] != "":
		c.wrong(at+".key", "is the same as "+c.keys[sum], "each key once, since the app follows from it")
	}
	c.keys[sum] = at + ".key"
	return &schemas.ApiKey{Id: k.ID, Sha256: sum[:]}
}

func (c *checker) tokenKey(at string, k fileTokenKey, ids map[string]bool) *schemas.TokenKey {
	c.id(at, k.ID, ids)
	key := &schemas.TokenKey{Id: k.ID, Algorithm: k.Algorithm}
	switch k.Algorithm {
	case HS256:
		if k.PublicKey != "" {
			c.wrong(at+".public_key", "stands beside HS256", "a secret")
		}
		if len(k.Secret) < MinSecret {
			c.wrong(at+".secret", fmt.Sprintf("has %d bytes", len(k.Secret)), fmt.Sprintf("%d or more", MinSecret))
		}
		key.Key = []byte(k.Secret)
	case EdDSA:
		if k.Secret != "" {
			c.wrong(at+".secret", "stands beside EdDSA", "a public_key")
		}
		var err error
		if key.Key, err = base64.StdEncoding.DecodeString(k.PublicKey); err != nil || len(key.Key) != ed25519.PublicKeySize {
			c.wrong(at+".public_key", "is no Ed25519 key", "32 bytes in base64 with padding")
		}
	default:
		c.wrong(at+".algorithm", fmt.Sprintf("is %q", k.Algorithm), EdDSA+" or "+HS256)
	}
	return key
}
