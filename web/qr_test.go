package web

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

// TestQR compares every module with what the encoder of the centre's sheets makes of the same text.
func TestQR(t *testing.T) {
	const letters = "0123456789ABCDFGHJKLMNPQRSTVWXYZabc:/._-"
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var text strings.Builder
		text.WriteString("http://")
		for range 20 + rnd.IntN(qrMost-26) { // shorter ones are of a smaller version there
			text.WriteByte(letters[rnd.IntN(len(letters))])
		}
		want, err := qr.Encode(text.String(), qr.M, qr.Unicode)
		if err != nil {
			t.Fatal(err)
		}
		got := newQR(text.String())
		if want.Bounds().Dx() != qrSide {
			t.Fatalf("%s: %d modules", text.String(), want.Bounds().Dx())
		}
		for y, row := range got.dark {
			for x, dark := range row {
				if r, _, _, _ := want.At(x, y).RGBA(); (r == 0) != dark {
					t.Fatalf("%s: the module at %d, %d is dark: %v", text.String(), x, y, dark)
				}
			}
		}
	}
}

// TestQRPath: a stroke for every run of dark modules, in the middle of its row.
func TestQRPath(t *testing.T) {
	const text = "http://192.0.2.1/v/23456789CDFH"
	code, path := newQR(text), qrPath(text)
	var drawn qrGrid
	for _, stroke := range strings.Split(path, "M")[1:] {
		var x, y, n int
		if _, err := fmt.Sscanf(stroke, "%d %d.5h%d", &x, &y, &n); err != nil {
			t.Fatalf("%q: %v", stroke, err)
		}
		for i := range n {
			drawn[y-qrQuiet][x-qrQuiet+i] = true
		}
	}
	if drawn != code.dark {
		t.Errorf("the path draws something else: %s", path)
	}
	if link := (VoucherSlip{Code: "2345-6789-CDFH"}).link(); link != text {
		t.Errorf("the link is %s", link)
	}
}
