package lab

import (
	"os"
	"strconv"
	"time"
)

// Patience is how long something may take that takes d on an ordinary machine: d times GATEHOUSE_PATIENCE, a whole number that
// lab/oldkernel sets where a computer is emulated in software; d itself everywhere else.
func Patience(d time.Duration) time.Duration {
	factor, err := strconv.Atoi(os.Getenv("GATEHOUSE_PATIENCE"))
	if err != nil || factor < 1 {
		return d
	}
	return d * time.Duration(factor)
}
