package central

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"gatehouse/lab"
)

func TestQRText(t *testing.T) {
	for link, want := range map[string]string{
		"":                              "http://192.0.2.1/v/23456789CDFH",
		"{code}":                        "23456789CDFH",
		"http://10.0.0.1:2080/v/":       "http://10.0.0.1:2080/v/23456789CDFH",
		"https://x.example/{code}?a=b&": "https://x.example/23456789CDFH?a=b&",
	} {
		if got := qrText("2345-6789-CDFH", link); got != want {
			t.Errorf("qrText(%q) = %q, want %q", link, got, want)
		}
	}
}

// TestQRRead has somebody else's decoder read what is printed.
func TestQRRead(t *testing.T) {
	const text = "http://192.0.2.1/v/23456789CDFH"
	small, err := qrPicture(text)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	const dots = 6 // of the printer for a module
	size := picture.Bounds().Dx() * dots
	paper := image.NewGray(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			paper.Set(x, y, picture.At(x/dots, y/dots))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, paper); err != nil {
		t.Fatal(err)
	}
	if got := lab.ReadQR(t, b.Bytes()); len(got) != 1 || got[0] != text {
		t.Errorf("it reads %q", got)
	}
}
