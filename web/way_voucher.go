package web

import (
	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Voucher is the way in with the code of a voucher.
type Voucher struct {
	oneStep
	Code    string // as typed before, or as a link says
	Instead bool   // of the session that runs
}

// Method is sessions.MethodVoucher.
func (Voucher) Method() sessions.Method { return sessions.MethodVoucher }

func (w Voucher) title(p Page) string {
	if w.Instead {
		return words(p, voucherWords).Instead
	}
	return words(p, voucherWords).Title
}

func (w Voucher) action() string {
	if w.Instead {
		return "/voucher"
	}
	return w.oneStep.action()
}

func (w Voucher) fields(l Login) templ.Component { return l.voucher(w) }

func (Voucher) problem(p Page, r sessions.Reason) string { return words(p, voucherWords).Problems[r] }

// voucherSamples are the states of the form.
func voucherSamples(with func(func(*Login)) templ.Component) []Sample {
	samples := []Sample{{"login-voucher", with(func(l *Login) { l.Ways = []Way{Voucher{}} })}}
	for _, r := range []sessions.Reason{sessions.RefusedMistyped, sessions.RefusedNothingLeft} {
		samples = append(samples, Sample{"login-voucher-" + string(r), with(func(l *Login) {
			l.Ways, l.Problem = []Way{Voucher{Code: "2345-6789-CDF"}, l.Ways[1]}, Problem{Method: sessions.MethodVoucher, Reason: r}
		})})
	}
	return samples
}
