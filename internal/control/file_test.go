package control

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestReadFile(t *testing.T) {
	apps, err := ReadFile(strings.NewReader(`{"apps":[{"name":"freight-2","api_keys":[{"id":"city","key":"` + keyA + `"}],
		"token_keys":[{"id":"k1","algorithm":"HS256","secret":"` + secret + `"},{"id":"k2","algorithm":"EdDSA","public_key":"` + public + `"}]}]}`))
	if err != nil || len(apps) != 1 {
		t.Fatalf("%v, %v", apps, err)
	}
	a, sum := apps[0], sha256.Sum256([]byte(keyA))
	if a.Name != "freight-2" || string(a.ApiKeys[0].Sha256) != string(sum[:]) || string(a.TokenKeys[0].Key) != secret || len(a.TokenKeys[1].Key) != 32 {
		t.Errorf("%+v", a)
	}
}

// Each message names the place and what is allowed, and never the secret.
func TestReadFileBad(t *testing.T) {
	app := func(fields string) string { return `{"apps":[{"name":"freight",` + fields + `}]}` }
	for _, c := range []struct{ file, want string }{
		{``, "read apps: EOF; allowed: an object with apps"},
		{`{"apps":[]}`, "apps is missing or empty; allowed: 1 app or more"},
		{`{"apps":[{"name":"freight"}]} {}`, "there is more after the object"},
		{`{"apps":[{"name":"freight","kays":[]}]}`, `unknown field "kays"; allowed: an object with apps, each with name`},
		{`{"apps":[{"name":7}]}`, "cannot unmarshal number"},
		{`{"apps":[{"name":""}]}`, `apps[0].name is ""; allowed: 1 to 40 lower-case letters`},
		{`{"apps":[{"name":"Freight"}]}`, `apps[0].name is "Freight"`},
		{`{"apps":[{"name":"2freight"}]}`, "a letter first"},
		{`{"apps":[{"name":"a/b"}]}`, `apps[0].name is "a/b"`},
		{`{"apps":[{"name":"` + strings.Repeat("a", 41) + `"}]}`, "1 to 40"},
		{`{"apps":[{"name":"a"},{"name":"a"}]}`, `apps[1].name "a" stands twice`},
		{app(`"api_keys":[{"id":"x","key":"short-secret"}]`), "apps[0].api_keys[0].key has 12 characters; allowed: 32 or more"},
		{app(`"api_keys":[{"id":"x","key":"` + keyA + ` "}]`), "cannot stand in an Authorization header"},
		{app(`"api_keys":[{"id":"","key":"` + keyA + `"}]`), `apps[0].api_keys[0].id is ""`},
		{app(`"api_keys":[{"id":"x","key":"` + keyA + `"},{"id":"x","key":"` + keyB + `"}]`), `apps[0].api_keys[1].id "x" stands twice`},
		{app(`"api_keys":[{"id":"x","key":"` + keyA + `"},{"id":"y","key":"` + keyA + `"}]`), "apps[0].api_keys[1].key is the same as apps[0].api_keys[0].key"},
		{app(`"token_keys":[{"id":"k","algorithm":"HS256","secret":"short-secret"}]`), "apps[0].token_keys[0].secret has 12 bytes; allowed: 32 or more"},
		{app(`"token_keys":[{"id":"k","algorithm":"none"}]`), `apps[0].token_keys[0].algorithm is "none"; allowed: EdDSA or HS256`},
		{app(`"token_keys":[{"id":"k","algorithm":"EdDSA","public_key":"AAAA"}]`), "apps[0].token_keys[0].public_key is no Ed25519 key; allowed: 32 bytes in base64"},
		{app(`"token_keys":[{"id":"k","algorithm":"EdDSA","secret":"x","public_key":"` + public + `"}]`), "secret stands beside EdDSA"},
		{app(`"token_keys":[{"id":"k","algorithm":"HS256","secret":"` + secret + `","public_key":"x"}]`), "public_key stands beside HS256"},
	} {
		_, err := ReadFile(strings.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.file, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "short-secret") || strings.Contains(err.Error(), keyA)) {
			t.Errorf("a secret is repeated: %v", err)
		}
	}
}
