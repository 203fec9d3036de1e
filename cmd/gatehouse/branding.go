package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"gatehouse/config"
	"gatehouse/web"
)

// brandingFile is, below the state folder, how the centre's organisation looks.
const brandingFile = "branding.json"

const (
	brandingAgain = 24 * time.Hour // how often the centre is asked
	brandingRetry = 5 * time.Minute
	maxBrandLogo  = 5 << 10
)

// branding is how the organisation looks to whom this gateway belongs, where its operator has said nothing himself.
type branding struct {
	Name      string `json:"name,omitempty"`
	Primary   string `json:"primary,omitempty"`
	Secondary string `json:"secondary,omitempty"`
	Logo      []byte `json:"logo,omitempty"`
}

// loadBranding reads what the centre said last. A file that cannot be read is as good as none: the centre is asked again.
func loadBranding(stateDir string) (b branding) {
	raw, err := os.ReadFile(filepath.Join(stateDir, brandingFile))
	if err != nil || json.Unmarshal(raw, &b) != nil {
		return branding{}
	}
	return b
}

// undressed is what an operator has not said.
type undressed struct{ name, look bool }

// dress gives name and look to what has none of its own, and tells what that was.
func (b branding) dress(c *config.Config) undressed {
	u := undressed{name: c.Portal.Venue == "", look: c.Portal.Theme == nil}
	if u.name {
		c.Portal.Venue = b.Name
	}
	if u.look {
		c.Portal.Theme = web.Brand(b.Primary, b.Secondary, b.Logo)
	}
	for i := range c.Zones {
		if c.Zones[i].Theme == nil {
			c.Zones[i].Theme = c.Portal.Theme
		}
	}
	return u
}

// keepBranding asks the centre how its organisation looks, and begins anew when that has changed.
func (g *gateway) keepBranding(ctx context.Context) error {
	for {
		next := brandingAgain
		if changed, err := g.askBranding(ctx); err != nil {
			g.Logger.Debug("asking the centre how its organisation looks", "error", err)
			next = brandingRetry
		} else if changed {
			g.Logger.Info("beginning anew with the look of the centre's organisation")
			select {
			case g.reconfigured <- struct{}{}:
			default:
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
	}
}

func (g *gateway) askBranding(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	o, err := g.sync.Organization(ctx)
	if err != nil {
		return false, err
	}
	was, b := loadBranding(g.Config.StateDir), branding{}
	if g.Undressed.name {
		b.Name = o.DisplayName
	}
	if g.Undressed.look {
		b.Primary, b.Secondary = o.Branding.PrimaryColor, o.Branding.SecondaryColor
		if b.Logo, err = fetchLogo(ctx, http.DefaultClient, o.Branding.LogoURL); err != nil {
			g.Logger.Warn("fetching the logo of the centre's organisation", "error", err)
			b.Logo = was.Logo
		}
	}
	if reflect.DeepEqual(b, was) {
		return false, nil
	}
	raw, err := json.Marshal(b)
	if err == nil {
		err = replaceFile(filepath.Join(g.Config.StateDir, brandingFile), raw)
	}
	return err == nil, err
}

// fetchLogo reads a logo. Whether phones can show it web looks at.
func fetchLogo(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	if address == "" {
		return nil, nil
	}
	if !strings.HasPrefix(address, "https://") {
		return nil, fmt.Errorf("%q is not an https address", address)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	logo, err := io.ReadAll(io.LimitReader(resp.Body, maxBrandLogo+1))
	if err == nil && (resp.StatusCode != http.StatusOK || len(logo) > maxBrandLogo) {
		err = fmt.Errorf("%s answers %s with %d octets or more; it may have %d", address, resp.Status, len(logo), maxBrandLogo)
	}
	return logo, err
}
