package web

// Brand is the look of an organisation: its colours, moved until they can be read, and its logo where phones can show it. Nil
// where none of them is of use.
func Brand(primary, secondary string, logo []byte) *Theme {
	light, _ := palettes()
	s := ThemeSpec{Colours: map[string]string{}, Logo: logo}
	take := func(name, said string, least float64, grounds ...colour) {
		if c, ok := parseColour(said); ok {
			c, _ = c.legible(light["card"].opposite(), least, grounds...)
			s.Colours[name] = c.String()
		}
	}
	take("accent", primary, forText, light["card"])
	take("highlight", secondary, forLines, light["card"], light["paper"])
	t, faults := NewTheme(s)
	if len(faults) > 0 { // of the logo
		s.Logo = nil
		t, _ = NewTheme(s)
	}
	if len(s.Colours) == 0 && s.Logo == nil {
		return nil
	}
	return t
}
