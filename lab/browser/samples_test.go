package browser

import (
	"bytes"
	"strings"
	"testing"

	"gatehouse/web"
)

// Every page of the portal is right for who sees badly, hears it read out, or has no mouse: light and dark, left to right and
// right to left, on the smallest telephone; and on a desk nothing sticks out.
func TestSamples(t *testing.T) {
	Require(t)
	for _, c := range []struct {
		options Options
		locale  web.Locale
	}{
		{Options{}, web.English},
		{Options{Dark: true, NoScript: true}, web.Arabic},
		{Options{Width: 1280, Height: 800}, web.German},
	} {
		t.Run(string(c.locale), func(t *testing.T) {
			b := Open(t, c.options)
			problems := 0
			for _, s := range web.Preview(c.locale) {
				if strings.HasPrefix(s.Name, "login-problem-") { // they differ in one sentence
					if problems++; problems > 2 {
						continue
					}
				}
				var page bytes.Buffer
				if err := s.Page.Render(t.Context(), &page); err != nil {
					t.Fatal(err)
				}
				b.Load(page.String())
				b.Shot(s.Name)
				b.WantFits()
				if c.options.Width == 0 {
					b.WantAccessible()
				}
				if c.locale == web.English { // the order is the same in all
					b.WantKeyboard()
				}
			}
		})
	}
}
