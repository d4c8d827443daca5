package app

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"waybill/internal/control"
	"waybill/schemas"
)

// DevApp is the app that dev makes: its keys stand in the directory, so that
// the tools of the same machine find them.
type DevApp struct {
	Name   string `json:"name"`
	APIKey string `json:"api_key"`
	Secret string `json:"secret"` // HS256 key of device tokens
}

// devKID names the one token key of a DevApp.
const devKID = "dev"

// Token is what the app's backend would give to a device: it lets the device
// log in as the user for an hour.
func (a DevApp) Token(user, device string) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"app": a.Name, "sub": user, "device": device, "exp": time.Now().Add(time.Hour).Unix(),
	})
	t.Header["kid"] = devKID
	s, err := t.SignedString([]byte(a.Secret))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return s, nil
}

// NewDevApp draws the keys of an app.
func NewDevApp() DevApp {
	return DevApp{Name: "freight", APIKey: "wb_" + secret(), Secret: secret()}
}

// File is the app as `waybill migrate --apps` reads it.
func (a DevApp) File() ([]byte, error) {
	b, err := json.Marshal(map[string]any{"apps": []any{map[string]any{
		"name":       a.Name,
		"api_keys":   []any{map[string]string{"id": "dev", "key": a.APIKey}},
		"token_keys": []any{map[string]string{"id": devKID, "algorithm": "HS256", "secret": a.Secret}},
	}}})
	if err != nil {
		return nil, fmt.Errorf("encode app: %w", err)
	}
	return b, nil
}

func (a DevApp) schema() ([]*schemas.App, error) {
	b, err := a.File()
	if err != nil {
		return nil, err
	}
	return control.ReadFile(bytes.NewReader(b))
}

// LoadDevApp reads the app of a dev directory that exists.
func LoadDevApp(path string) (a DevApp, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return a, fmt.Errorf("read the dev app: %w", err)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("read the dev app %s: %w", path, err)
	}
	return a, nil
}

// loadApp reads the app of the directory, or draws its keys.
func loadApp(path string) (DevApp, error) {
	a, err := LoadDevApp(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	a = NewDevApp()
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return a, fmt.Errorf("encode the dev app: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return a, fmt.Errorf("keep the dev app: %w", err)
	}
	return a, nil
}

func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// loadKey reads the cluster key, or draws it.
func loadKey(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	switch {
	case err == nil && len(b) == 32:
		return b, nil
	case err == nil:
		return nil, fmt.Errorf("cluster key %s has %d bytes, want 32", path, len(b))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read cluster key: %w", err)
	}
	b = make([]byte, 32)
	_, _ = rand.Read(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, fmt.Errorf("keep cluster key: %w", err)
	}
	return b, nil
}
