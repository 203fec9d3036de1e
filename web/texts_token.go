package web

// tokenTexts are the words of the way in with a user token.
type tokenTexts struct{ Title, UserCode, PassCode, Wrong string }

var tokenWords = area[tokenTexts]{
	English:    {"With a user token", "User code", "Pass code", "User code or pass code is not right. Please check both; capital and small letters matter."},
	German:     {"Mit einem Zugangstoken", "Benutzercode", "Passcode", "Benutzercode oder Passcode stimmt nicht. Bitte prüfen Sie beide; Groß- und Kleinschreibung zählt."},
	Spanish:    {"Con un token de usuario", "Código de usuario", "Código de acceso", "El código de usuario o el de acceso no es correcto. Revise ambos; importan las mayúsculas y minúsculas."},
	French:     {"Avec un jeton d’accès", "Code utilisateur", "Code d’accès", "Le code utilisateur ou le code d’accès est incorrect. Vérifiez les deux\u00a0; majuscules et minuscules comptent."},
	Portuguese: {"Com um token de utilizador", "Código de utilizador", "Código de acesso", "O código de utilizador ou o de acesso não está certo. Verifique ambos; maiúsculas e minúsculas contam."},
	Italian:    {"Con un token utente", "Codice utente", "Codice di accesso", "Il codice utente o il codice di accesso non è giusto. Li controlli entrambi; maiuscole e minuscole contano."},
	Arabic:     {"برمز وصول المستخدم", "رمز المستخدم", "رمز المرور", "رمز المستخدم أو رمز المرور غير صحيح. يُرجى التحقق منهما؛ حالة الأحرف مهمة."},
	Chinese:    {"使用用户令牌", "用户代码", "通行代码", "用户代码或通行代码不正确。请检查两者，注意区分大小写。"},
	Japanese:   {"ユーザートークンで接続", "ユーザーコード", "パスコード", "ユーザーコードまたはパスコードが正しくありません。大文字と小文字も含めて、両方をご確認ください。"},
	Hindi:      {"उपयोगकर्ता टोकन से", "उपयोगकर्ता कोड", "पास कोड", "उपयोगकर्ता कोड या पास कोड सही नहीं है। कृपया दोनों जाँचें; बड़े और छोटे अक्षरों का अंतर मायने रखता है।"},
}
