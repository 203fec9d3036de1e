package lab

import (
	"fmt"
	"os"
)

// loopUsable tells whether this process may attach loop devices.
func loopUsable() error {
	f, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("loop devices need root: %w", err)
	}
	return f.Close()
}
