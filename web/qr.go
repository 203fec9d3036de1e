package web

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"
)

// A QR code of version 3 with error correction M (ISO/IEC 18004): 29 by 29 modules, one block of 44 octets with 26 to check them.
// One size is enough for the links of vouchers, and keeps the router's program small.
const (
	qrSide  = 29
	qrData  = 44
	qrCheck = 26
	// qrMost is how long a text may be, in octets.
	qrMost = qrData - 2
	// qrQuiet is how many modules of white a reader wants around it.
	qrQuiet = 4
)

type qrGrid [qrSide][qrSide]bool // rows of modules

// qrCode is what is dark, and which modules are no data.
type qrCode struct{ dark, fixed qrGrid }

// qrPath draws the QR code of a text of up to qrMost octets as a path of an SVG whose unit is a module, to be stroked one wide.
func qrPath(text string) string {
	code := newQR(text)
	var path strings.Builder
	for y, row := range code.dark {
		for x := 0; x < qrSide; x++ {
			from := x
			for x < qrSide && row[x] {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %d.5h%d", qrQuiet+from, qrQuiet+y, x-from)
			}
		}
	}
	return path.String()
}

// newQR is the code with the mask that leaves the fewest patterns by which a reader is misled.
func newQR(text string) *qrCode {
	c := &qrCode{}
	c.frame()
	c.fill(qrWords(text))
	var best *qrCode
	least := 0
	for mask := range 8 {
		m := *c
		m.mask(mask)
		if p := m.dark.penalty(); best == nil || p < least {
			best, least = &m, p
		}
	}
	return best
}

func (c *qrCode) set(x, y int, dark bool) {
	if x >= 0 && x < qrSide && y >= 0 && y < qrSide {
		c.dark[y][x], c.fixed[y][x] = dark, true
	}
}

// frame draws what is the same in every code, and keeps the place of the format.
func (c *qrCode) frame() {
	for i := range qrSide {
		c.set(i, 6, i%2 == 0)
		c.set(6, i, i%2 == 0)
	}
	for _, at := range [][2]int{{3, 3}, {qrSide - 4, 3}, {3, qrSide - 4}} {
		c.rings(at[0], at[1], 4, 1<<2|1<<4)
	}
	c.rings(qrSide-7, qrSide-7, 2, 1<<1)
	c.format(0)
}

// rings draws squares around a middle; light has a bit for each distance at which they are light.
func (c *qrCode) rings(x, y, most, light int) {
	for dy := -most; dy <= most; dy++ {
		for dx := -most; dx <= most; dx++ {
			c.set(x+dx, y+dy, light>>max(dx, -dx, dy, -dy)&1 == 0)
		}
	}
}

// format says twice which mask there is, beside error correction M, which is 0.
func (c *qrCode) format(mask int) {
	word := mask << 10
	for n := 14; n >= 10; n-- { // the remainder by a generator of degree 10
		if word>>n&1 == 1 {
			word ^= 0x537 << (n - 10)
		}
	}
	word = (mask<<10 | word) ^ 0x5412
	for i := range 15 {
		dark := word>>i&1 == 1
		switch { // beside the first corner, leaving out the line of timing
		case i < 6:
			c.set(8, i, dark)
		case i < 8:
			c.set(8, i+1, dark)
		case i == 8:
			c.set(7, 8, dark)
		default:
			c.set(14-i, 8, dark)
		}
		if i < 8 {
			c.set(qrSide-1-i, 8, dark)
		} else {
			c.set(8, qrSide-15+i, dark)
		}
	}
	c.set(8, qrSide-8, true)
}

// fill lays the octets out, two columns at a time from the right, up and down by turns.
func (c *qrCode) fill(words []byte) {
	n := 0
	for right := qrSide - 1; right > 0; right -= 2 {
		if right == 6 {
			right = 5
		}
		for i := range 2 * qrSide {
			x, y := right-i%2, i/2
			if (right+1)&2 == 0 {
				y = qrSide - 1 - y
			}
			if !c.fixed[y][x] && n < 8*len(words) {
				c.dark[y][x] = words[n/8]>>(7-n%8)&1 == 1
				n++
			}
		}
	}
}

func (c *qrCode) mask(n int) {
	for y := range qrSide {
		for x := range qrSide {
			if !c.fixed[y][x] && [8]int{(x + y) % 2, y % 2, x % 3, (x + y) % 3, (x/3 + y/2) % 2, x*y%2 + x*y%3, (x*y%2 + x*y%3) % 2, ((x+y)%2 + x*y%3) % 2}[n] == 0 {
				c.dark[y][x] = !c.dark[y][x]
			}
		}
	}
	c.format(n)
}

// penalty counts what misleads a reader, as the standard weighs it.
func (g *qrGrid) penalty() int {
	p, dark := 0, 0
	for i := range qrSide {
		var row, column [qrSide]byte
		for j := range qrSide {
			if g[i][j] {
				row[j] = 1
				dark++
			}
			if g[j][i] {
				column[j] = 1
			}
			if i > 0 && j > 0 && g[i][j] == g[i-1][j] && g[i][j] == g[i][j-1] && g[i][j] == g[i-1][j-1] {
				p += 3
			}
		}
		p += qrLine(row[:]) + qrLine(column[:])
	}
	off := 20*dark - 10*qrSide*qrSide // from one half, in twentieths of all
	return p + max(off, -off)/(qrSide*qrSide)*10
}

// qrLine is the penalty of long runs, and of what looks like a corner's mark.
func qrLine(line []byte) (p int) {
	run := 0
	for i, m := range line {
		if i > 0 && m == line[i-1] {
			run++
		} else {
			run = 1
		}
		if run == 5 {
			p += 3
		} else if run > 5 {
			p++
		}
	}
	mark := []byte{1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0}
	for i := range len(line) - len(mark) + 1 {
		window := line[i : i+len(mark)]
		if bytes.Equal(window, mark) || bytes.Equal(window, []byte{0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1}) {
			p += 40
		}
	}
	return p
}

// qrWords are the octets of a text, filled up, with those that check them.
func qrWords(text string) []byte {
	words := append(make([]byte, 0, qrData+qrCheck), byte(4<<4|len(text)>>4), byte(len(text)<<4)) // octets as they are, and how many
	for i := range len(text) {
		words[len(words)-1] |= text[i] >> 4
		words = append(words, text[i]<<4)
	}
	for pad := byte(0xec); len(words) < qrData; pad ^= 0xec ^ 0x11 {
		words = append(words, pad)
	}
	return append(words, qrRemainder(words)...)
}

// qrRemainder checks octets by the Reed-Solomon code of the field with 0x11d.
func qrRemainder(words []byte) []byte {
	var generator, rest [qrCheck]byte // without the first coefficient, which is 1
	generator[qrCheck-1] = 1
	for root, n := byte(1), 0; n < qrCheck; root, n = qrTimes(root, 2), n+1 {
		for i := range generator {
			generator[i] = qrTimes(generator[i], root)
			if i+1 < qrCheck {
				generator[i] ^= generator[i+1]
			}
		}
	}
	for _, w := range words {
		factor := w ^ rest[0]
		copy(rest[:], rest[1:])
		rest[qrCheck-1] = 0
		for i := range rest {
			rest[i] ^= qrTimes(generator[i], factor)
		}
	}
	return rest[:]
}

// qrTimes multiplies in that field.
func qrTimes(a, b byte) (product byte) {
	for i := bits.Len8(b) - 1; i >= 0; i-- {
		product = product<<1 ^ product>>7*0x1d ^ b>>i&1*a
	}
	return product
}
