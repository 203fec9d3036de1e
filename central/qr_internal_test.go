package central

import "testing"

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
