package central

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strconv"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"github.com/boombuler/barcode/qr"

	"gatehouse/api/admin"
	"gatehouse/central/seal"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// Export is a batch of vouchers with their codes, to be handed out.
type Export struct {
	batch    admin.VoucherBatch
	vouchers []store.Voucher
	codes    []string
}

// NewExport opens the codes of a batch's vouchers.
func NewExport(b admin.VoucherBatch, vouchers []store.Voucher, secrets *seal.Key) (*Export, error) {
	x := &Export{batch: b, vouchers: vouchers}
	for _, v := range vouchers {
		code, err := OpenCode(v, secrets)
		if err != nil {
			return nil, err
		}
		x.codes = append(x.codes, code)
	}
	return x, nil
}

// CSV is a line per voucher, with a head, as RFC 4180 has it.
func (x *Export) CSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	_ = w.Write([]string{"id", "code", "plan", "state", "created", "first_used", "expires", "used_seconds", "used_octets"}) // a buffer takes everything
	for i, v := range x.vouchers {
		_ = w.Write([]string{strconv.FormatInt(v.ID, 10), x.codes[i], harmless(v.PlanName), v.State, when(&v.Created), when(v.FirstUsed),
			when(v.Expires), strconv.FormatInt(v.UsedSeconds, 10), strconv.FormatInt(v.UsedOctets, 10)})
	}
	w.Flush()
	return b.Bytes()
}

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

// The sheet: A4 with cards to be cut out, in millimetres.
const (
	sheetMargin     = 10.0
	cardsAcross     = 3
	cardsDown       = 8
	cardWidth       = (210 - 2*sheetMargin) / cardsAcross
	cardHeight      = (297 - 2*sheetMargin) / cardsDown
	qrSize          = 24.0
	cardPad         = 3.0
	codePlaceholder = "{code}"
	codeFont        = "Courier"
)

// portalLink leads to the portal of whichever gateway captures it (decision 0030).
const portalLink = "http://192.0.2.1/v/" + codePlaceholder

// PDF is a sheet of the vouchers that can still be used, with a QR code each: of link with the code in the place of {code} or at its
// end. Without a link it is one to the portal of whatever gateway the phone is at. Texts outside Latin-1 are shown as far as the fonts of every printer go.
func (x *Export) PDF(ctx context.Context, link string) ([]byte, error) {
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetAutoPageBreak(false, 0)
	doc.SetTitle(fmt.Sprintf("Vouchers %d", x.batch.ID), true)
	latin := doc.UnicodeTranslatorFromDescriptor("")
	n := 0
	for i := range x.vouchers {
		v := &x.vouchers[i]
		if v.State != string(sessions.VoucherUnused) && v.State != string(sessions.VoucherActive) {
			continue
		}
		if n%(cardsAcross*cardsDown) == 0 {
			if ctx.Err() != nil { // a full batch takes seconds
				return nil, ctx.Err()
			}
			doc.AddPage()
		}
		place := n % (cardsAcross * cardsDown)
		left, top := sheetMargin+float64(place%cardsAcross)*cardWidth, sheetMargin+float64(place/cardsAcross)*cardHeight
		if err := x.card(doc, latin, i, left, top, link); err != nil {
			return nil, err
		}
		n++
	}
	if n == 0 {
		doc.AddPage()
	}
	var b bytes.Buffer
	if err := doc.Output(&b); err != nil {
		return nil, fmt.Errorf("making the sheet: %w", err)
	}
	return b.Bytes(), nil
}

func (x *Export) card(doc *fpdf.Fpdf, latin func(string) string, i int, left, top float64, link string) error {
	v, code := &x.vouchers[i], x.codes[i]
	picture, err := qrPicture(qrText(code, link))
	if err != nil {
		return fmt.Errorf("making the QR code: %w", err)
	}
	doc.SetDrawColor(190, 190, 190)
	doc.Rect(left, top, cardWidth, cardHeight, "D")
	name := strconv.FormatInt(v.ID, 10)
	options := fpdf.ImageOptions{ImageType: "PNG"}
	doc.RegisterImageOptionsReader(name, options, bytes.NewReader(picture))
	doc.ImageOptions(name, left+cardPad, top+(cardHeight-qrSize)/2, qrSize, qrSize, false, options, 0, "")
	width := cardWidth - qrSize - 3*cardPad
	line := func(y, size float64, style, font, text string) {
		doc.SetFont(font, style, size)
		if font == codeFont { // a code that is cut off is none
			for ; doc.GetStringWidth(text) > width-2*doc.GetCellMargin(); size -= 0.25 {
				doc.SetFontSize(size)
			}
		}
		for len(text) > 0 && doc.GetStringWidth(text) > width-2*doc.GetCellMargin() { // each octet is a character by now
			text = text[:len(text)-1]
		}
		doc.SetXY(left+qrSize+2*cardPad, top+y)
		doc.CellFormat(width, 5, text, "", 0, "L", false, 0, "")
	}
	line(5, 9, "B", "Helvetica", latin(v.PlanName))
	line(13, 10.5, "B", codeFont, code)
	if p := v.Terms(); p.Price != nil {
		line(19, 8, "", "Helvetica", latin(*p.Price))
	}
	line(25, 7, "", "Helvetica", "No. "+name)
	return doc.Error()
}

func qrText(code, link string) string {
	bare := strings.ReplaceAll(code, "-", "")
	if link == "" {
		link = portalLink
	}
	if strings.Contains(link, codePlaceholder) {
		return strings.ReplaceAll(link, codePlaceholder, url.QueryEscape(bare))
	}
	return link + url.QueryEscape(bare)
}

// qrPicture is a QR code with its quiet zone, a pixel per module.
func qrPicture(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, err
	}
	const quiet = 4
	size := code.Bounds().Dx()
	picture := image.NewPaletted(image.Rect(0, 0, size+2*quiet, size+2*quiet), color.Palette{color.White, color.Black})
	for y := range size {
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				picture.SetColorIndex(x+quiet, y+quiet, 1)
			}
		}
	}
	var b bytes.Buffer
	err = png.Encode(&b, picture)
	return b.Bytes(), err
}
