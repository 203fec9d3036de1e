package web

const (
	signInHead = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Log in to this network</title><p>To use this network, please <a href="`
	signInTail = `">log in</a>.</p></html>` + "\n"
)

// SignInBody appends the small body that goes with a redirect to the portal, or with a 511 (RFC 6585 §6), both sent in
// place of somebody else's page. The location must be fit for an HTML attribute as it is.
func SignInBody(b []byte, location string) []byte {
	return append(append(append(b, signInHead...), location...), signInTail...)
}
