package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"gatehouse/web"
)

// maxThemeFile is the largest file of a theme that is read, in octets; what it may be is for web to say.
const maxThemeFile = 1 << 20

// theme is what a file says about how the pages look. Load makes a web.Theme of it.
type theme struct {
	key                     string // path of its table
	folder                  string
	logo, background, style string // paths; empty: not said
	lightOnly               *bool
	colours                 map[string]string
	texts                   map[string]any
}

// parseTheme reads the table theme of a portal or zone; nil where there is none.
func parseTheme(parent *section) *theme {
	s := parent.table("theme")
	if s == nil {
		return nil
	}
	t := parseLook(s, func(name string) string { return absolute(s, name, "") })
	t.folder = absolute(s, "folder", "")
	s.finish()
	return t
}

// parseLook reads what a table and a theme.toml have in common.
func parseLook(s *section, path func(string) string) *theme {
	t := &theme{key: s.path, colours: map[string]string{}}
	t.logo, t.background, t.style = path("logo"), path("background_image"), path("style")
	if s.has("light_only") {
		v := s.boolean("light_only", false)
		t.lightOnly = &v
	} else {
		s.take("light_only")
	}
	for _, name := range web.ColourNames() {
		for _, key := range []string{name, name + "_dark"} {
			if v := s.text(key, ""); v != "" {
				t.colours[key] = v
			}
		}
	}
	if texts := s.table("texts"); texts != nil {
		t.texts = texts.values
	}
	return t
}

// over lays t over what is below it; nil is nothing.
func (t *theme) over(below *theme) *theme {
	if below == nil {
		return t
	}
	if t == nil {
		return below
	}
	sum := *t
	sum.colours, sum.texts = maps.Clone(below.colours), deepOver(t.texts, below.texts)
	maps.Copy(sum.colours, t.colours)
	for _, f := range []struct {
		own   *string
		below string
	}{{&sum.logo, below.logo}, {&sum.background, below.background}, {&sum.style, below.style}} {
		if *f.own == "" {
			*f.own = f.below
		}
	}
	if sum.lightOnly == nil {
		sum.lightOnly = below.lightOnly
	}
	return &sum
}

func deepOver(over, below map[string]any) map[string]any {
	out := maps.Clone(below)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range over {
		table, isTable := v.(map[string]any)
		if lower, ok := out[k].(map[string]any); ok && isTable {
			out[k] = deepOver(table, lower)
			continue
		}
		out[k] = v
	}
	return out
}

// loadThemes reads the files of all themes. A zone's lies over the portal's, key by key, and each over its folder's.
func loadThemes(c *Config, problems *Problems) {
	general := c.Portal.theme.withFolder(problems)
	made, told := general.load()
	*problems = append(*problems, told...)
	c.Portal.Theme = made
	for i := range c.Zones {
		z := &c.Zones[i]
		if z.theme == nil {
			z.Theme = made
			continue
		}
		own, wrong := z.theme.withFolder(problems).over(general).load()
		z.Theme = own
		for _, p := range wrong {
			if !slices.ContainsFunc(told, func(t Problem) bool { return t.Wrong == p.Wrong }) { // else it comes from the portal's
				*problems = append(*problems, p)
			}
		}
	}
}

// withFolder lays a theme over what is in its folder: theme.toml, texts/LANGUAGE.toml, style.css, and pictures called logo and
// background.
func (t *theme) withFolder(problems *Problems) *theme {
	if t == nil || t.folder == "" {
		return t
	}
	in := &theme{key: t.key, colours: map[string]string{}, texts: map[string]any{}}
	if _, err := os.ReadDir(t.folder); err != nil {
		problems.add(t.key+".folder", plain(err), "give the path of a folder with theme.toml, style.css, a logo and texts, or some of them")
		return t
	}
	if values := t.read("theme.toml", problems); values != nil {
		s := &section{path: t.key + "(theme.toml)", values: values, problems: problems}
		in = parseLook(s, func(name string) string {
			if v := s.text(name, ""); v != "" {
				return filepath.Join(t.folder, v)
			}
			return ""
		})
		s.finish()
	}
	for _, f := range []struct {
		path  *string
		names string
	}{{&in.logo, "logo.svg logo.png logo.webp logo.jpg"}, {&in.background, "background.webp background.jpg background.png"}, {&in.style, "style.css"}} {
		for name := range strings.FieldsSeq(f.names) {
			if _, err := os.Stat(filepath.Join(t.folder, name)); err == nil && *f.path == "" {
				*f.path = filepath.Join(t.folder, name)
			}
		}
	}
	files, _ := filepath.Glob(filepath.Join(t.folder, "texts", "*.toml")) // the pattern is good
	for _, file := range files {
		name := filepath.Join("texts", filepath.Base(file))
		if values := t.read(name, problems); values != nil {
			in.texts = deepOver(map[string]any{strings.TrimSuffix(filepath.Base(file), ".toml"): values}, in.texts)
		}
	}
	return t.over(in)
}

// read is a TOML file of the folder; nil where there is none.
func (t *theme) read(name string, problems *Problems) map[string]any {
	text, _, err := readFile(filepath.Join(t.folder, name))
	var values map[string]any
	if err == nil {
		_, err = toml.Decode(text, &values)
		if err != nil {
			p := syntax(err)
			problems.add(t.key+"("+name+")", p.Key+": "+p.Wrong, p.Mend)
		}
		return values
	}
	if !errors.Is(err, fs.ErrNotExist) {
		problems.add(t.key+"("+name+")", plain(err), "make it readable, or remove it")
	}
	return nil
}

// load reads a theme's files and checks it; nil where nothing was said.
func (t *theme) load() (*web.Theme, Problems) {
	if t == nil {
		return nil, nil
	}
	var problems Problems
	spec := web.ThemeSpec{Colours: t.colours, LightOnly: t.lightOnly != nil && *t.lightOnly, Texts: t.texts,
		Style: string(t.file("style", t.style, &problems)), Logo: t.file("logo", t.logo, &problems),
		Background: t.file("background_image", t.background, &problems)}
	made, faults := web.NewTheme(spec)
	for _, f := range faults {
		problems.add(t.key+"."+f.Key, f.Wrong, f.Mend)
	}
	return made, problems
}

func (t *theme) file(name, path string, problems *Problems) []byte {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxThemeFile {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("larger than 1 MiB")}
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		problems.add(t.key+"."+name, plain(err), "give the path of a file, or remove the key")
		return nil
	}
	return data
}
