package web

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxWord is the longest text, in octets, that an operator may put in place of one of ours.
const maxWord = 2000

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// Words are all texts of a language by area and key, as they may be put in place of ours: texts, lists of texts and tables of texts.
func Words(l Locale) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, in := range parts {
		words, area := of(in, l).Elem(), map[string]any{}
		for i := range words.NumField() {
			if v, ok := plainValue(words.Field(i)); ok {
				area[key(words.Type().Field(i).Name)] = v
			}
		}
		if name == "common" {
			delete(area, "dir") // follows from the language
		}
		out[name] = area
	}
	return out
}

// of is the pointer to an area's words.
func of(in any, l Locale) reflect.Value { return reflect.ValueOf(in).MapIndex(reflect.ValueOf(l)) }

// plainValue is a text, a list or a table as TOML has them.
func plainValue(v reflect.Value) (any, bool) {
	switch v.Kind() {
	case reflect.String:
		return v.String(), true
	case reflect.Slice:
		var list []any
		for i := range v.Len() {
			list = append(list, v.Index(i).String())
		}
		return list, true
	case reflect.Map:
		table := map[string]any{}
		for _, k := range v.MapKeys() {
			table[k.String()] = v.MapIndex(k).String()
		}
		return table, true
	}
	return nil, false
}

// key is a field's name as operators write it: LogIn is log_in.
func key(field string) string {
	var b strings.Builder
	for i, r := range field {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// overrides are the areas that an operator's texts change, each whole.
func overrides(said map[string]any, faults *[]Fault) map[Locale]map[reflect.Type]any {
	out := map[Locale]map[reflect.Type]any{}
	for _, tag := range slices.Sorted(maps.Keys(said)) {
		l, ok := match(tag)
		areas, isTable := said[tag].(map[string]any)
		path := "texts." + tag
		if !ok || string(l) != tag {
			*faults = append(*faults, Fault{path, "is no language of these pages", "use " + names(Locales())})
			continue
		}
		if !isTable {
			*faults = append(*faults, Fault{path, "is not a table of texts", "write [" + path + ".common]"})
			continue
		}
		out[l] = map[reflect.Type]any{}
		for _, name := range slices.Sorted(maps.Keys(areas)) {
			keys, isTable := areas[name].(map[string]any)
			in, known := parts[name]
			if !known || !isTable {
				*faults = append(*faults, Fault{path + "." + name, "is no part of these pages", "use " + strings.Join(slices.Sorted(maps.Keys(parts)), ", ")})
				continue
			}
			o := override{words: reflect.New(of(in, l).Elem().Type()), faults: faults}
			o.words.Elem().Set(of(in, l).Elem())
			o.table(o.words.Elem(), keys, path+"."+name)
			out[l][o.words.Elem().Type()] = o.words.Interface()
		}
	}
	return out
}

func names(locales []Locale) string {
	tags := make([]string, len(locales))
	for i, l := range locales {
		tags[i] = string(l)
	}
	return strings.Join(tags, ", ")
}

// override puts texts into a copy of an area's words.
type override struct {
	words  reflect.Value
	faults *[]Fault
}

func (o override) fault(path, wrong, mend string) {
	*o.faults = append(*o.faults, Fault{path, wrong, mend})
}

func (o override) table(words reflect.Value, keys map[string]any, path string) {
	fields := map[string]reflect.Value{}
	for i := range words.NumField() {
		if v := words.Field(i); v.Kind() == reflect.String || v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
			fields[key(words.Type().Field(i).Name)] = v
		}
	}
	delete(fields, "dir") // follows from the language
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		field, ok := fields[k]
		if !ok {
			o.fault(path+"."+k, "is no text of these pages", "use one of "+strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			continue
		}
		o.set(field, keys[k], path+"."+k)
	}
}

func (o override) set(field reflect.Value, v any, path string) {
	switch field.Kind() {
	case reflect.String:
		if s, ok := o.text(v, field.String(), path); ok {
			field.SetString(s)
		}
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok || len(list) == 0 {
			o.fault(path, "is not a list of texts", `write ["…", "…"]`)
			return
		}
		own := reflect.MakeSlice(field.Type(), 0, len(list))
		for i, item := range list {
			was := field.Index(min(i, field.Len()-1)).String()
			if s, ok := o.text(item, was, fmt.Sprintf("%s[%d]", path, i+1)); ok {
				own = reflect.Append(own, reflect.ValueOf(s))
			}
		}
		field.Set(own)
	case reflect.Map:
		o.entries(field, v, path)
	}
}

func (o override) entries(field reflect.Value, v any, path string) {
	table, ok := v.(map[string]any)
	if !ok {
		o.fault(path, "is not a table of texts", "write ["+path+"]")
		return
	}
	own, known := reflect.MakeMap(field.Type()), []string{}
	for _, k := range field.MapKeys() {
		own.SetMapIndex(k, field.MapIndex(k))
		known = append(known, k.String())
	}
	slices.Sort(known)
	for _, k := range slices.Sorted(maps.Keys(table)) {
		at := reflect.ValueOf(k).Convert(field.Type().Key())
		was := field.MapIndex(at)
		if !was.IsValid() {
			o.fault(path+"."+k, "is no text of these pages", "use one of "+strings.Join(known, ", "))
			continue
		}
		if s, ok := o.text(table[k], was.String(), path+"."+k); ok {
			own.SetMapIndex(at, reflect.ValueOf(s))
		}
	}
	field.Set(own)
}

// text checks a text that takes the place of was: what is put into that must be put into it too.
func (o override) text(v any, was, path string) (string, bool) {
	s, ok := v.(string)
	if !ok || strings.TrimSpace(s) == "" || len(s) > maxWord {
		o.fault(path, "is not a text, or empty or too long", fmt.Sprintf("write 1 to %d letters in quotes", maxWord))
		return "", false
	}
	for _, p := range placeholder.FindAllString(was, -1) {
		if !strings.Contains(s, p) {
			o.fault(path, "lacks "+p, fmt.Sprintf("put %s where its value belongs, as in %q", p, was))
			return "", false
		}
	}
	for _, p := range placeholder.FindAllString(s, -1) {
		if !strings.Contains(was, p) {
			o.fault(path, "has "+p+", for which there is no value here", "leave it out")
			return "", false
		}
	}
	return s, true
}
