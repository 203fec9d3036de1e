package hostapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// program is who can be asked to send a station away.
type program interface {
	// disassociate is no error where the station is not.
	disassociate(ctx context.Context, iface, mac string) error
}

// find is the program of this router; nil when there is none.
func find() program {
	if path, err := exec.LookPath("ubus"); err == nil {
		return ubus(path)
	}
	if path, err := exec.LookPath("hostapd_cli"); err == nil {
		return hostapdCLI(path)
	}
	return nil
}

// ubus is the path of OpenWrt's.
type ubus string

// Reason 1 of IEEE 802.11 is "unspecified": 5, "too many stations", may have phones avoid the access point.
func (u ubus) disassociate(ctx context.Context, iface, mac string) error {
	_, err := run(ctx, string(u), "call", "hostapd."+iface, "del_client",
		fmt.Sprintf(`{"addr":%q,"reason":1,"deauth":true,"ban_time":0}`, mac))
	return err
}

// hostapdCLI is the path of hostapd's own client.
type hostapdCLI string

func (h hostapdCLI) disassociate(ctx context.Context, iface, mac string) error {
	out, err := run(ctx, string(h), "-i", iface, "deauthenticate", mac)
	if err == nil && !strings.Contains(out, "OK") && !strings.Contains(out, "FAIL") { // FAIL: it is not there
		err = fmt.Errorf("%s", firstLine(out))
	}
	return err
}

func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", errors.New("no answer in time")
	case err != nil:
		return "", fmt.Errorf("%w: %s", err, firstLine(complaint.String()+string(out)))
	}
	return string(out), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
