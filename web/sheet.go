package web

import (
	"strings"
	"time"
)

// VoucherSheet is a page of slips for the printer, to be cut out and handed to guests.
type VoucherSheet struct {
	Page
	Slips []VoucherSlip
	// What each is good for; zero: not told.
	Time  time.Duration
	Data  uint64 // octets
	Until time.Time
}

// VoucherSlip is one of them.
type VoucherSlip struct {
	Number int64
	Code   string
}

// terms are what a slip is good for, in figures.
func (s VoucherSheet) terms() string {
	var parts []string
	if s.Time > 0 {
		parts = append(parts, s.texts().duration(s.Time))
	}
	if s.Data > 0 {
		parts = append(parts, s.texts().size(s.Data))
	}
	if !s.Until.IsZero() {
		parts = append(parts, "→\u00a0"+s.Until.Format(time.DateOnly))
	}
	return strings.Join(parts, " · ")
}

// sheetStyle is of its own: this page is for paper.
const sheetStyle = `@page{size:A4;margin:10mm}*{box-sizing:border-box;margin:0}body{font:10pt/1.35 system-ui,sans-serif;color:#000;display:grid;grid-template-columns:repeat(3,1fr);max-inline-size:190mm;margin:auto}section{border:1px dashed #999;padding:4mm;min-block-size:34mm;break-inside:avoid;display:flex;flex-direction:column;gap:1mm}b{font-size:11pt}code{font:700 13pt/1.5 ui-monospace,Menlo,Consolas,monospace;white-space:nowrap}small{margin-block-start:auto;color:#555}`
