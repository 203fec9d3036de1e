package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Settings are what the centre sets at a gateway: a JSON object {"portal": {…}, "zones": {"NAME": {…}}} of the keys that
// centreSettings names, each spelled as in the file and taking its place. Zones are the file's: the centre neither makes nor removes any.
type Settings []byte

// centreSettings are the keys that the centre may set. What decides who reaches the router itself, where it reports to,
// which interfaces it holds and how, and what becomes of a zone without it, is the router's own.
var centreSettings = map[string][]string{
	"portal": {"venue"},
	"zones": {
		"methods", "terms", "terms_version", "terms_for_all", "trial", "email", "sms", "register", "opening_hours", "closed_on", "remember", "add_devices",
		"session_timeout", "idle_timeout", "interim_interval", "simultaneous_use", "bandwidth_up", "bandwidth_down",
		"max_session_timeout", "max_idle_timeout", "max_bandwidth_up", "max_bandwidth_down",
		"bandwidth_zone_up", "bandwidth_zone_down", "caps", "extend", "extend_times", "max_pause", "warn_before", "after_login", "walled_garden", "blocked", "trusted", "preauthorized",
	},
}

// lay puts settings over the values of the file.
func lay(values map[string]any, settings Settings, problems *Problems) {
	if len(bytes.TrimSpace(settings)) == 0 {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(settings))
	dec.UseNumber()
	var said map[string]map[string]any
	if err := dec.Decode(&said); err != nil {
		problems.add("settings", "are not an object of objects in JSON", `send {"portal": {…}, "zones": {"guest": {…}}}`)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		switch name {
		case "portal":
			portal, _ := values[name].(map[string]any)
			if portal == nil {
				portal = map[string]any{}
				values[name] = portal
			}
			layTable(portal, said[name], name, name, problems)
		case "zones":
			layZones(values, said[name], problems)
		default:
			problems.add("settings."+name, "cannot be set by the centre", `use "portal" or "zones"`)
		}
	}
}

func layZones(values map[string]any, said map[string]any, problems *Problems) {
	zones, _ := values["zone"].([]map[string]any)
	for _, name := range slices.Sorted(maps.Keys(said)) {
		i := slices.IndexFunc(zones, func(z map[string]any) bool { return z["name"] == name })
		keys, isTable := said[name].(map[string]any)
		switch {
		case i < 0:
			problems.add("settings.zones."+name, "is no zone of this gateway", "name one that its own file has")
		case !isTable:
			problems.add("settings.zones."+name, "is not an object", `write {"session_timeout": "2h"}`)
		default:
			layTable(zones[i], keys, "zones", "zones."+name, problems)
		}
	}
}

func layTable(to, said map[string]any, kind, path string, problems *Problems) {
	for _, key := range slices.Sorted(maps.Keys(said)) {
		if !slices.Contains(centreSettings[kind], key) {
			problems.add("settings."+path+"."+key, "cannot be set by the centre", "use "+strings.Join(centreSettings[kind], ", "))
			continue
		}
		if key == "terms" { // the text is one, wherever it comes from, and its version follows it
			delete(to, "terms_file")
			delete(to, "terms_version")
		}
	}
	for key, v := range said {
		if slices.Contains(centreSettings[kind], key) {
			to[key] = asTOML(v)
		}
	}
}

// asTOML gives a value of JSON the type that TOML has for it.
func asTOML(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for key := range v {
			v[key] = asTOML(v[key])
		}
		return v
	case []any:
		tables := make([]map[string]any, 0, len(v))
		for i := range v {
			v[i] = asTOML(v[i])
			if table, ok := v[i].(map[string]any); ok {
				tables = append(tables, table)
			}
		}
		if len(v) > 0 && len(tables) == len(v) {
			return tables
		}
		return v
	}
	return v
}
