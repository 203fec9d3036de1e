package lab

import (
	"io"
	"maps"
	"net/http"
	"strings"
)

// OnlineProbe is a request by which a system finds out whether it is online, and the answer of the true server
// (standards.md §2.1). The wan gives these answers.
type OnlineProbe struct {
	System, Host, Target string
	UserAgent            string
	Status               int
	Header               map[string]string // beside what every answer has
	Body                 string
}

// URL is what is asked for.
func (p *OnlineProbe) URL() string { return "http://" + p.Host + p.Target }

// OnlineProbes has a row for every host and path.
func OnlineProbes() []OnlineProbe {
	const (
		android = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.32 Safari/537.36"
		apple   = "CaptiveNetworkSupport-481.0.2 wispr"
		ncsi    = "Microsoft NCSI"
		connman = "ConnMan/1.41 wispr"
	)
	var all []OnlineProbe
	row := func(system, host, target, agent string, status int, body string, header ...string) {
		p := OnlineProbe{System: system, Host: host, Target: target, UserAgent: agent, Status: status, Body: body, Header: map[string]string{}}
		for i := 0; i < len(header); i += 2 {
			p.Header[header[i]] = header[i+1]
		}
		all = append(all, p)
	}
	row("iOS", "captive.apple.com", "/hotspot-detect.html", apple, 200, successPage)
	for _, host := range []string{"www.apple.com", "www.airport.us", "www.appleiphonecell.com", "www.itools.info", "www.ibook.info", "www.thinkdifferent.us"} {
		row("iOS old", host, "/library/test/success.html", apple, 200, successPage)
	}
	for _, host := range []string{"connectivitycheck.gstatic.com", "connectivitycheck.android.com", "clients3.google.com", "clients1.google.com",
		"clients4.google.com", "play.googleapis.com", "www.googleapis.cn"} {
		row("Android", host, "/generate_204", android, 204, "")
	}
	row("Android fallback", "www.google.com", "/gen_204", android, 204, "")
	row("Samsung", "d2uzsrnmmf6tds.cloudfront.net", "/generate_204", android, 204, "")
	row("Huawei", "connectivitycheck.platform.hicloud.com", "/generate_204", android, 204, "")
	row("Huawei", "connectivitycheck.platform.hicloud.com", "/generate_204_7d2f7a46-3f0c-4f55-9f9c-3b6a5a1d2e11", android, 204, "")
	row("Xiaomi", "connect.rom.miui.com", "/generate_204", android, 204, "")
	row("Qualcomm", "www.qualcomm.cn", "/generate_204", android, 204, "")
	row("vivo", "wifi.vivo.com.cn", "/generate_204", android, 204, "")
	row("OPPO", "conn1.oppomobile.com", "/generate_204", android, 204, "")
	row("Windows", "www.msftconnecttest.com", "/connecttest.txt", ncsi, 200, "Microsoft Connect Test")
	row("Windows", "ipv6.msftconnecttest.com", "/connecttest.txt", ncsi, 200, "Microsoft Connect Test")
	row("Windows opens", "www.msftconnecttest.com", "/redirect", "Mozilla/5.0 (Windows NT 10.0)", 302, "", "Location", "http://go.microsoft.com/fwlink/?LinkID=219472")
	row("Windows 8", "www.msftncsi.com", "/ncsi.txt", ncsi, 200, "Microsoft NCSI")
	row("Windows 8", "ipv6.msftncsi.com", "/ncsi.txt", ncsi, 200, "Microsoft NCSI")
	row("Firefox", "detectportal.firefox.com", "/canonical.html", "", 200, firefoxPage)
	row("Firefox", "detectportal.firefox.com", "/success.txt?ipv4", "", 200, "success\n")
	row("Firefox", "detectportal.firefox.com", "/success.txt?ipv6", "", 200, "success\n")
	row("Chromium", "www.gstatic.com", "/generate_204", "", 204, "")
	for _, host := range []string{"www.play.googleapis.com", "safebrowsing.google.com", "www.googleapis.com"} {
		row("ChromeOS", host, "/generate_204", "", 204, "")
	}
	row("Debian", "network-test.debian.org", "/nm", "", 200, networkManagerPage)
	row("Ubuntu", "connectivity-check.ubuntu.com", "/", "", 204, "", "X-NetworkManager-Status", "online")
	row("GNOME", "nmcheck.gnome.org", "/check_network_status.txt", "", 200, networkManagerPage, "X-NetworkManager-Status", "online")
	row("Arch", "ping.archlinux.org", "/nm-check.txt", "", 200, networkManagerPage)
	row("Fedora", "fedoraproject.org", "/static/hotspot.txt", "", 200, "OK")
	row("openSUSE", "conncheck.opensuse.org", "/", "", 200, networkManagerPage, "X-NetworkManager-Status", "online")
	row("KDE", "networkcheck.kde.org", "/", "", 200, "OK\n", "X-NetworkManager-Status", "online")
	row("elementary", "capnet.elementary.io", "/", "", 200, "<title>Connected</title>")
	row("ConnMan", "ipv4.connman.net", "/online/status.html", connman, 200, "online", "X-ConnMan-Status", "online")
	row("ConnMan", "ipv6.connman.net", "/online/status.html", connman, 200, "online", "X-ConnMan-Status", "online")
	row("Kindle", "spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", "", 200, "81ce4465-7167-4dcb-835b-dcc9e44c112a")
	row("Kindle opens", "spectrum.s3.amazonaws.com", "/kindle-wifi/wifiredirect.html", "", 200, "you are online")
	row("Nintendo Switch", "ctest.cdn.nintendo.net", "/", "", 200, "ok", "X-Organization", "Nintendo")
	row("Nintendo 3DS", "conntest.nintendowifi.net", "/", "", 200, "ok", "X-Organization", "Nintendo")
	row("Steam Deck", "test.steampowered.com", "/204", "", 204, "")
	row("WARP", "cp.cloudflare.com", "/", "", 204, "")
	return all
}

const (
	firefoxPage        = `<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>`
	networkManagerPage = "NetworkManager is online\n"
)

// online answers probes as the true servers do, and leaves everything else to another handler.
func online(other http.Handler) http.Handler {
	answers := map[string]OnlineProbe{}
	for _, p := range OnlineProbes() {
		path, _, _ := strings.Cut(p.Target, "?")
		answers[p.Host+path] = p
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := answers[r.Host+r.URL.Path]
		if !ok {
			other.ServeHTTP(w, r)
			return
		}
		for name, value := range maps.All(p.Header) {
			w.Header().Set(name, value)
		}
		w.WriteHeader(p.Status)
		_, _ = io.WriteString(w, p.Body)
	})
}
