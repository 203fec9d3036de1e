package portal

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// wisprMessage is one WISPAccessGatewayParam document; empty: none.
type wisprMessage string

type wisprField struct{ name, value string }

func wisprCode(n int) wisprField { return wisprField{"ResponseCode", strconv.Itoa(n)} }

// newWISPrMessage writes a document as the strictest of the known clients wants it: no prefix, no CDATA, and no two hyphens in a
// row, because it travels in a comment of HTML (standards.md §3.1).
func newWISPrMessage(name string, fields ...wisprField) wisprMessage {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<WISPAccessGatewayParam xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.acmewisp.com/WISPAccessGatewayParam.xsd">` +
		"\n<" + name + ">\n")
	for _, f := range fields {
		b.WriteString("<" + f.name + ">" + xmlText(f.value) + "</" + f.name + ">\n")
	}
	b.WriteString("</" + name + ">\n</WISPAccessGatewayParam>")
	return wisprMessage(b.String())
}

// xmlText is s as the content of an element that stands in a comment of HTML. What no XML document may have is left out.
func xmlText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == utf8.RuneError || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, s)
	return strings.ReplaceAll(html.EscapeString(s), "-", "&#45;")
}

// comment is the document as it goes with a page.
func (m wisprMessage) comment() string {
	if m == "" {
		return ""
	}
	return "<!--\n" + string(m) + "\n-->\n"
}
