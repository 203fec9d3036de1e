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

// voucherLink leads to the portal of whichever gateway captures it (decision 0030).
const voucherLink = "http://192.0.2.1/v/"

func (s VoucherSlip) link() string { return voucherLink + strings.ReplaceAll(s.Code, "-", "") }

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
const sheetStyle = `@page{size:A4;margin:10mm}*{box-sizing:border-box;margin:0}body{font:10pt/1.35 system-ui,sans-serif;background:#fff;color:#000;display:grid;grid-template-columns:repeat(3,1fr);max-inline-size:190mm;margin:auto}section{border:1px dashed #999;padding:4mm;break-inside:avoid;display:grid;grid-template-columns:24mm 1fr;gap:1mm 2mm;align-items:center}b,code,small{grid-column:1/-1}b{font-size:11pt}p{font-size:8pt}svg{inline-size:24mm;block-size:24mm}path{stroke:#000;fill:none}code{font:700 13pt/1.5 ui-monospace,Menlo,Consolas,monospace;white-space:nowrap}small{color:#555}`
