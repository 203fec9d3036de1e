// Package browser drives a real Chromium as a guest does: by what is to be seen on the page, on a phone by default, with or
// without JavaScript, in any language. Chromium runs in the namespace of a station of the lab, or here where none is given.
//
//	b := browser.Open(t, browser.Options{Host: guest.Host, Language: "ar", NoScript: true})
//	b.Go("http://" + lab.WebAddr4 + "/generate_204") // caught, and redirected to the login page
//	b.WantLight(30 << 10)                            // bytes and requests since Go, no stranger asked
//	b.Check("1-login")                               // axe-core, width, text of 200 %, keyboard; a screenshot
//	b.Fill("#username", "ann")
//	b.Click("#password ~ button")
//	b.WantText("#problem", "password")
//	b.WantPath("/login")
//
// Elements are named by CSS selectors; every step waits until its element is visible. The first thing that is not as it should
// be ends the test, with the page's address, its text and a screenshot. GATEHOUSE_SCREENSHOTS names a folder for the screenshots
// of Check and Shot: look at them.
//
// Entry points: Require, Open, Browser.
//
// How it fails: Require skips a test where there is no Chromium or no axe-core (scripts/axe.sh fetches it), or fails it where CI
// is set.
package browser
