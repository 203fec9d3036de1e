package web

import (
	"strconv"

	"github.com/a-h/templ"
)

// field is a labelled field of a form: all forms look alike.
type field struct {
	Name     string // of the value, and id
	Label    string
	Hint     string // below the label; empty: none
	Type     string // empty: text
	Value    string // as typed before
	Max      int    // characters
	Wrong    bool   // the page's problem is about it
	Optional bool
	More     templ.Attributes // autocomplete and the like
}

// plainText keeps telephones from improving names and codes; autocomplete is what it may offer from memory.
func plainText(autocomplete string) templ.Attributes {
	return templ.Attributes{"autocomplete": autocomplete, "autocapitalize": "none", "autocorrect": "off", "spellcheck": "false", "dir": "auto"}
}

func (f field) kind() string {
	if f.Type == "" {
		return "text"
	}
	return f.Type
}

func (f field) max() string { return strconv.Itoa(f.Max) }

// describedBy names what a screen reader says besides the label.
func (f field) describedBy() string {
	switch {
	case f.Wrong && f.Hint != "":
		return "problem " + f.Name + "-hint"
	case f.Wrong:
		return "problem"
	case f.Hint != "":
		return f.Name + "-hint"
	}
	return ""
}
