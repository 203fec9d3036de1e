package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config"
	"gatehouse/web"
)

func previewVerb() verb {
	return verb{
		name: "preview", operands: "FOLDER", least: 1, most: 1, short: "write every page that guests may see, to look at in a browser",
		detail: "Writes all pages of every zone in every language, with the look of the configuration and made-up data, into FOLDER;\n" +
			"open FOLDER/index.html. FOLDER/texts has all words, as files to change and put into the texts folder of a theme.\n" +
			"Nothing but the configuration is looked at, and the daemon notices nothing.",
		bind: func(f *flag.FlagSet) action {
			path := bindConfig(f)
			return func(ctx context.Context, s streams, operands []string) error {
				c, err := loadConfig(*path, nil)
				if err != nil {
					return err
				}
				p := preview{ctx: ctx, dir: operands[0]}
				if err := p.write(c); err != nil {
					return fmt.Errorf("writing the preview: %w; name a folder that this user may write", err)
				}
				fmt.Fprintf(s.out, "%d pages; open %s\n", p.pages, filepath.Join(p.dir, "index.html"))
				return nil
			}
		},
	}
}

// preview is a folder of pages.
type preview struct {
	ctx   context.Context
	dir   string
	pages int
}

func (p *preview) write(c *config.Config) error {
	var folders []string
	for _, z := range c.Zones {
		folders = append(folders, z.Name)
		venue := venueOf(c, z)
		for _, l := range web.Locales() {
			for _, sample := range web.PreviewOf(venue, l) {
				var b bytes.Buffer
				if err := sample.Page.Render(p.ctx, &b); err != nil {
					return err
				}
				p.pages++
				// The portal's root is the folder here.
				page := bytes.ReplaceAll(b.Bytes(), []byte("url(/theme/"), []byte("url(../theme/"))
				if err := p.file(page, z.Name, string(l), sample.Name+".html"); err != nil {
					return err
				}
			}
		}
		if name, data := venue.Theme.Background(); data != nil {
			if err := p.file(data, z.Name, "theme", name); err != nil {
				return err
			}
		}
	}
	for _, l := range web.Locales() {
		if err := p.file([]byte(wordsTOML(l)), "texts", string(l)+".toml"); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := web.PreviewIndex(folders, web.Preview(web.English)).Render(p.ctx, &b); err != nil {
		return err
	}
	return p.file(b.Bytes(), "index.html")
}

func (p *preview) file(data []byte, name ...string) error {
	path := filepath.Join(p.dir, filepath.Join(name...))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// wordsTOML are all words of a language as a file of a theme.
func wordsTOML(l web.Locale) string {
	var b strings.Builder
	b.WriteString("# Change what you like, remove the rest, and put this into the folder texts of a theme.\n")
	words := web.Words(l)
	for _, part := range slices.Sorted(maps.Keys(words)) {
		fmt.Fprintf(&b, "\n[%s]\n", part)
		writeTable(&b, part, words[part])
	}
	return b.String()
}

// writeTable writes texts and lists, and tables after them.
func writeTable(b *strings.Builder, path string, table map[string]any) {
	keys := slices.Sorted(maps.Keys(table))
	for _, k := range keys {
		switch v := table[k].(type) {
		case string:
			fmt.Fprintf(b, "%s = %s\n", k, quoted(v))
		case []any:
			fmt.Fprintf(b, "%s = [\n", k)
			for _, item := range v {
				fmt.Fprintf(b, "  %s,\n", quoted(item.(string)))
			}
			b.WriteString("]\n")
		}
	}
	for _, k := range keys {
		if v, ok := table[k].(map[string]any); ok {
			fmt.Fprintf(b, "\n[%s.%s]\n", path, k)
			writeTable(b, path+"."+k, v)
		}
	}
}

// quoted is a basic string of TOML.
func quoted(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString("\\" + string(r))
		case r == '\u00a0' || r == '\n': // to be seen
			b.WriteString(strings.Trim(strconv.QuoteToASCII(string(r)), `"`))
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
