package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/sessions"
	"gatehouse/web"
)

const (
	defaultMailAccess = 5 * time.Minute
	longestMailAccess = 10 * time.Minute
	maxPrefixes       = 300
	maxFields         = 12 // a guest stands at the reception desk
)

var callingCode = regexp.MustCompile(`^[1-9][0-9]{0,14}$`)

// needCentre are the ways in that the centre proves.
var needCentre = []sessions.Method{sessions.MethodEmail, sessions.MethodSMS, sessions.MethodRegister, sessions.MethodSponsor}

func parseProofs(zone *section, z *sessions.Zone, https bool) sessions.Proofs {
	p := sessions.Proofs{MailAccess: defaultMailAccess}
	if s := zone.table("email"); s != nil {
		p.MailAccess = s.span("access", defaultMailAccess, 0)
		if p.MailAccess > longestMailAccess {
			s.wrong("access", p.MailAccess.String()+" is too long", "use "+longestMailAccess.String()+" or less: it opens the internet to who is not in yet")
		}
		s.finish()
	}
	if s := zone.table("sms"); s != nil {
		p.CountryCode, p.Prefixes = parseNumbers(s)
		s.finish()
	}
	if s := zone.table("register"); s != nil {
		p.Register = parseRegistration(s)
		s.finish()
	}
	texts := z.Offers(sessions.MethodSMS) || z.Offers(sessions.MethodRegister) && p.Register.Verify == sessions.MethodSMS
	if texts && p.CountryCode == "" && len(p.Prefixes) == 0 {
		zone.wrong("sms", "says nowhere to which numbers text messages may go", `write country_code = "49" below [zone.sms], or prefixes`)
	}
	if z.Offers(sessions.MethodRegister) && len(p.Register.Fields) == 0 {
		zone.wrong("register", "asks nothing of who registers", "add at least one [[zone.register.field]]")
	}
	if z.Offers(sessions.MethodRegister) && p.Register.Password && !https && !z.AllowCleartext {
		zone.wrong("register", "asks for a password, and passwords need HTTPS", "give the portal a certificate, or remove password")
	}
	if !z.Offers(sessions.MethodEmail) && !(z.Offers(sessions.MethodRegister) && p.Register.Verify == sessions.MethodEmail) {
		p.MailAccess = 0
	}
	return p
}

// checkProvers sees that there is somebody to take proofs.
func checkProvers(c *Config, problems *Problems) {
	for _, z := range c.Zones {
		for _, m := range needCentre {
			if c.Centre == nil && z.Offers(m) {
				problems.add("zone["+z.Name+"].methods", strconv.Quote(string(m))+" needs a centre, which sends messages and keeps accounts",
					"add [centre], or remove "+strconv.Quote(string(m)))
			}
		}
	}
}

func parseNumbers(s *section) (country string, prefixes []string) {
	country = strings.TrimPrefix(s.text("country_code", ""), "+")
	if country != "" && (!callingCode.MatchString(country) || len(country) > 3) {
		s.wrong("country_code", strconv.Quote(country)+" is no country's calling code", `write it as in "49"`)
	}
	for _, v := range s.texts("prefixes") {
		v = strings.TrimPrefix(v, "+")
		if !callingCode.MatchString(v) {
			s.wrong("prefixes", strconv.Quote(v)+" is no prefix of numbers", `write a country's calling code, or more digits, as in "49" or "4915"`)
			continue
		}
		prefixes = append(prefixes, v)
	}
	if len(prefixes) > maxPrefixes {
		s.wrong("prefixes", "has "+strconv.Itoa(len(prefixes))+" entries", "keep "+strconv.Itoa(maxPrefixes)+" or fewer")
	}
	return country, prefixes
}

// fieldTypes are what GATE has of a person that a guest may be asked for, and how.
var fieldTypes = map[string]string{
	"first_name": "text", "last_name": "text", "email": "email", "title": "text", "gender": "text", "birthday": "date", "age_range": "text",
	"telephone": "tel", "address": "text", "city": "text", "state": "text", "postal_code": "text", "country": "text", "company": "text",
	"tax_id": "text", "passport_number": "text", "hometown": "text", "event": "text",
	"custom_field_1": "text", "custom_field_2": "text", "custom_field_3": "text", "custom_field_4": "text",
	"custom_field_5": "text", "custom_field_6": "text", "custom_field_7": "text", "custom_field_8": "text",
}

// ourLabels are the fields that the pages have words for in every language.
var ourLabels = []string{"first_name", "last_name", "email", "telephone", "company", "birthday", "address", "postal_code", "city", "country"}

func parseRegistration(s *section) sessions.Registration {
	r := sessions.Registration{Password: s.boolean("password", false)}
	if v := s.oneOf("verify", "none", string(sessions.MethodEmail), string(sessions.MethodSMS)); v != "none" {
		r.Verify = sessions.Method(v)
	}
	if r.Password && r.Verify == "" {
		s.wrong("password", "is for nobody: without verify no guest has a user name that is his", `say verify = "email" or "sms", or remove password`)
	}
	sections := s.tables("field", "name")
	if len(sections) > maxFields {
		s.wrong("field", "has "+strconv.Itoa(len(sections))+" entries", "ask "+strconv.Itoa(maxFields)+" or fewer: a guest stands before the page")
	}
	for _, f := range sections {
		r.Fields = append(r.Fields, parseField(f, r.Fields))
		f.finish()
	}
	for method, name := range map[sessions.Method]string{sessions.MethodEmail: "email", sessions.MethodSMS: "telephone"} {
		i := slices.IndexFunc(r.Fields, func(f sessions.RegistrationField) bool { return f.Name == name })
		if r.Verify == method && len(r.Fields) > 0 && (i < 0 || !r.Fields[i].Required) {
			s.wrong("verify", strconv.Quote(string(method))+" needs the field "+name, `add it with name = "`+name+`" and required = true`)
		}
	}
	return r
}

func parseField(s *section, before []sessions.RegistrationField) sessions.RegistrationField {
	f := sessions.RegistrationField{Name: s.required("name", `name what is asked for, as in "first_name"`), Label: s.text("label", ""), Required: s.boolean("required", false)}
	usual := fieldTypes[f.Name]
	if usual == "" && f.Name != "" {
		s.wrong("name", strconv.Quote(f.Name)+" is no field of GATE's", "use "+orList(slices.Sorted(maps.Keys(fieldTypes))))
		usual = "text"
	}
	f.Type = usual
	if s.has("type") || usual == "" {
		f.Type = s.oneOf("type", "text", "email", "tel", "date", "checkbox")
	}
	if l := s.table("labels"); l != nil {
		f.Labels = map[string]string{}
		for _, language := range slices.Sorted(maps.Keys(l.values)) {
			if !slices.Contains(web.Locales(), web.Locale(language)) {
				l.wrong(language, "is no language of these pages", "use one of "+fmt.Sprint(web.Locales()))
			}
			f.Labels[language] = l.text(language, "")
		}
		l.finish()
	}
	for _, text := range append(slices.Collect(maps.Values(f.Labels)), f.Label) {
		if unprintable(text, maxNote) {
			s.wrong("label", strconv.Quote(text)+" is too long or not printable", "use "+strconv.Itoa(maxNote)+" octets or fewer")
		}
	}
	if f.Label == "" && f.Name != "" && !slices.Contains(ourLabels, f.Name) {
		s.wrong("label", "is missing, and the pages have no words of their own for "+f.Name, `write what guests read beside it, as in label = "Number of the stand"`)
	}
	if slices.ContainsFunc(before, func(b sessions.RegistrationField) bool { return b.Name == f.Name }) {
		s.wrong("name", strconv.Quote(f.Name)+" is asked twice", "remove one of the two")
	}
	return f
}
