package portal

import (
	"gatehouse/sessions"
	"gatehouse/web"
)

// A code is asked for over clear HTTP too: it opens nothing but this network, and who hears it on the air
// could as well borrow the MAC address that it admitted.
func (p *Portal) offerVoucher(v *visit) web.Way {
	if v.voucher != "" {
		return web.Voucher{Code: sessions.VoucherCode(v.voucher).Text()}
	}
	return web.Voucher{Code: clip(v.PostForm.Get("code"), maxCode)}
}

// maxCode is the longest text, in octets, that may be a code with all its separators.
const maxCode = 256

func voucherRequest(v *visit, req *sessions.LoginRequest) sessions.Reason {
	code, err := sessions.ParseVoucherCode(v.PostForm.Get("code"))
	if err != nil {
		return sessions.RefusedMistyped
	}
	req.Code = sessions.Password(code)
	return ""
}
