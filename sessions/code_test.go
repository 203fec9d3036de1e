package sessions

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestVoucherCodes(t *testing.T) {
	seen := make(map[VoucherCode]bool)
	counts := make(map[byte]int)
	for range 2000 {
		c := NewVoucherCode()
		if seen[c] {
			t.Fatal("a code came twice")
		}
		seen[c] = true
		for i := range len(c) - 1 {
			counts[c[i]]++
		}
		for _, typed := range []string{string(c), c.Text(), " " + strings.ToLower(c.Text()) + "\t", strings.ReplaceAll(c.Text(), "-", " "),
			strings.ReplaceAll(c.Text(), "-", "–"), wide(c.Text()), strings.NewReplacer("D", "0", "V", "u", "8", "B", "5", "s").Replace(string(c)),
			strings.NewReplacer("D", "O", "2", "z", "6", "G").Replace(string(c))} {
			if got, err := ParseVoucherCode(typed); got != c || err != nil {
				t.Fatalf("%q read as %q, %v, want %q", typed, string(got), err, string(c))
			}
		}
	}
	for i := range codeAlphabet {
		if n := counts[codeAlphabet[i]]; n < 700 || n > 1220 { // 957 are expected, 30 is the standard deviation
			t.Errorf("%c came %d times of 22000", codeAlphabet[i], n)
		}
	}
}

func wide(s string) string {
	return strings.Map(func(r rune) rune { return r + '！' - '!' }, s)
}

// TestCodeCheck: every wrong character and every two that changed places are found.
func TestCodeCheck(t *testing.T) {
	for range 20 {
		c := []byte(NewVoucherCode())
		for i := range c {
			for j := range codeAlphabet {
				wrong := append([]byte(nil), c...)
				wrong[i] = codeAlphabet[j]
				if _, err := ParseVoucherCode(string(wrong)); (err == nil) != (string(wrong) == string(c)) {
					t.Fatalf("%s for %s: %v", wrong, c, err)
				}
			}
			for j := range i {
				wrong := append([]byte(nil), c...)
				wrong[i], wrong[j] = wrong[j], wrong[i]
				if _, err := ParseVoucherCode(string(wrong)); (err == nil) != (string(wrong) == string(c)) {
					t.Fatalf("%s for %s: %v", wrong, c, err)
				}
			}
		}
	}
}

func TestNotCodes(t *testing.T) {
	for _, text := range []string{"", "2", strings.Repeat("2", 13), strings.Repeat("-", 300), "A222-2222-2222", "1222-2222-2222", "ß2222222222", "\xff\xff"} {
		if c, err := ParseVoucherCode(text); !errors.Is(err, ErrVoucherCode) {
			t.Errorf("%q read as %q, %v", text, string(c), err)
		}
	}
}

func TestCodeIsHidden(t *testing.T) {
	c := NewVoucherCode()
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "code", c)
	if text := log.String() + fmt.Sprint(c) + fmt.Sprintf("%v %s", c, c); strings.Contains(text, string(c)) {
		t.Error(text)
	}
}

func FuzzParseVoucherCode(f *testing.F) {
	for _, seed := range []string{"2222-2222-2222", "ＡＢＣ", "o0Q", "\u3000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseVoucherCode(text)
		if err != nil {
			return
		}
		if again, err := ParseVoucherCode(c.Text()); again != c || err != nil {
			t.Errorf("%q read as %q, and that as %q, %v", text, string(c), string(again), err)
		}
	})
}
