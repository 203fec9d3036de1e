package web

// afterTexts are the words of what comes after the login, in one language.
type afterTexts struct {
	SupportCode string
}

var afterWords = area[afterTexts]{
	English:    {SupportCode: "Support code:"},
	Spanish:    {SupportCode: "Código de asistencia:"},
	French:     {SupportCode: "Code d’assistance :"},
	German:     {SupportCode: "Hilfe-Code:"},
	Portuguese: {SupportCode: "Código de suporte:"},
	Italian:    {SupportCode: "Codice di assistenza:"},
	Arabic:     {SupportCode: "رمز المساعدة:"},
	Chinese:    {SupportCode: "支持代码："},
	Japanese:   {SupportCode: "サポートコード："},
	Hindi:      {SupportCode: "सहायता कोड:"},
}
