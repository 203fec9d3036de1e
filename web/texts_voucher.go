package web

import "gatehouse/sessions"

// voucherTexts are the words of the way in with a code.
type voucherTexts struct {
	Title, Label string
	How          string // on the slip
	// Problems are told in these words where the code was a voucher's.
	Problems map[sessions.Reason]string
}

var voucherWords = area[voucherTexts]{
	English: {Title: "With a voucher", Label: "Voucher code", How: "Connect to our guest Wi-Fi. Scan the QR code, or type this code when the login page opens:", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "A character of this code is missing or mistyped. Please compare it with your voucher.",
		sessions.RefusedCode:        "There is no voucher with this code. Please compare it with your voucher, or ask the staff.",
		sessions.RefusedInactive:    "This voucher has been cancelled. Please ask the staff.",
		sessions.RefusedExpired:     "This voucher has expired. Please ask the staff for a new one.",
		sessions.RefusedNothingLeft: "This voucher is used up. Please ask the staff for a new one.",
		sessions.RefusedTooMany:     "This voucher is already in use on as many devices as it allows. Log out on another device first.",
		sessions.RefusedElsewhere:   "This voucher is not for this network. Please ask the staff.",
	}},
	German: {Title: "Mit einem Gutschein", Label: "Gutscheincode", How: "Verbinden Sie sich mit unserem Gäste-WLAN. Scannen Sie den QR-Code, oder geben Sie diesen Code ein, wenn sich die Anmeldeseite öffnet:", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "In diesem Code fehlt ein Zeichen, oder eines ist vertippt. Bitte vergleichen Sie ihn mit Ihrem Gutschein.",
		sessions.RefusedCode:        "Einen Gutschein mit diesem Code gibt es nicht. Bitte vergleichen Sie ihn mit Ihrem Gutschein, oder fragen Sie das Personal.",
		sessions.RefusedInactive:    "Dieser Gutschein wurde gesperrt. Bitte wenden Sie sich an das Personal.",
		sessions.RefusedExpired:     "Dieser Gutschein ist abgelaufen. Bitte lassen Sie sich vom Personal einen neuen geben.",
		sessions.RefusedNothingLeft: "Dieser Gutschein ist aufgebraucht. Bitte lassen Sie sich vom Personal einen neuen geben.",
		sessions.RefusedTooMany:     "Dieser Gutschein wird schon auf so vielen Geräten genutzt, wie er erlaubt. Melden Sie sich zuerst auf einem anderen Gerät ab.",
		sessions.RefusedElsewhere:   "Dieser Gutschein gilt nicht für dieses Netz. Bitte wenden Sie sich an das Personal.",
	}},
	Spanish: {Title: "Con un vale", Label: "Código del vale", How: "Conéctese a nuestro wifi de invitados. Escanee el código QR o escriba este código cuando se abra la página de acceso:", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "Falta un carácter de este código o está mal escrito. Compárelo con su vale.",
		sessions.RefusedCode:        "No hay ningún vale con este código. Compárelo con su vale o pregunte al personal.",
		sessions.RefusedInactive:    "Este vale ha sido anulado. Diríjase al personal.",
		sessions.RefusedExpired:     "Este vale ha caducado. Pida uno nuevo al personal.",
		sessions.RefusedNothingLeft: "Este vale está agotado. Pida uno nuevo al personal.",
		sessions.RefusedTooMany:     "Este vale ya se usa en todos los dispositivos que permite. Cierre antes la sesión en otro dispositivo.",
		sessions.RefusedElsewhere:   "Este vale no es para esta red. Diríjase al personal.",
	}},
	French: {Title: "Avec un coupon", Label: "Code du coupon", How: "Connectez-vous à notre Wi-Fi invités. Scannez le QR code, ou saisissez ce code quand la page de connexion s’ouvre :", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "Un caractère de ce code manque ou est mal saisi. Veuillez le comparer avec votre coupon.",
		sessions.RefusedCode:        "Aucun coupon ne porte ce code. Veuillez le comparer avec votre coupon ou demander au personnel.",
		sessions.RefusedInactive:    "Ce coupon a été annulé. Veuillez vous adresser au personnel.",
		sessions.RefusedExpired:     "Ce coupon a expiré. Veuillez en demander un nouveau au personnel.",
		sessions.RefusedNothingLeft: "Ce coupon est épuisé. Veuillez en demander un nouveau au personnel.",
		sessions.RefusedTooMany:     "Ce coupon est déjà utilisé sur tous les appareils qu’il autorise. Déconnectez d’abord un autre appareil.",
		sessions.RefusedElsewhere:   "Ce coupon n’est pas valable pour ce réseau. Veuillez vous adresser au personnel.",
	}},
	Portuguese: {Title: "Com um voucher", Label: "Código do voucher", How: "Ligue-se ao nosso Wi-Fi de convidados. Leia o código QR, ou escreva este código quando abrir a página de acesso:", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "Falta um carácter neste código ou há um erro de digitação. Compare-o com o seu voucher.",
		sessions.RefusedCode:        "Não existe nenhum voucher com este código. Compare-o com o seu voucher ou pergunte à equipa.",
		sessions.RefusedInactive:    "Este voucher foi anulado. Fale com a equipa.",
		sessions.RefusedExpired:     "Este voucher expirou. Peça um novo à equipa.",
		sessions.RefusedNothingLeft: "Este voucher está esgotado. Peça um novo à equipa.",
		sessions.RefusedTooMany:     "Este voucher já está a ser usado em todos os dispositivos que permite. Termine primeiro a sessão noutro dispositivo.",
		sessions.RefusedElsewhere:   "Este voucher não é para esta rede. Fale com a equipa.",
	}},
	Italian: {Title: "Con un voucher", Label: "Codice del voucher", How: "Si colleghi al nostro Wi-Fi per gli ospiti. Inquadri il codice QR, oppure inserisca questo codice quando si apre la pagina di accesso:", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "In questo codice manca un carattere o uno è sbagliato. Lo confronti con il voucher.",
		sessions.RefusedCode:        "Non esiste un voucher con questo codice. Lo confronti con il voucher o chieda al personale.",
		sessions.RefusedInactive:    "Questo voucher è stato annullato. Si rivolga al personale.",
		sessions.RefusedExpired:     "Questo voucher è scaduto. Ne chieda uno nuovo al personale.",
		sessions.RefusedNothingLeft: "Questo voucher è esaurito. Ne chieda uno nuovo al personale.",
		sessions.RefusedTooMany:     "Questo voucher è già in uso su tutti i dispositivi consentiti. Si disconnetta prima da un altro dispositivo.",
		sessions.RefusedElsewhere:   "Questo voucher non vale per questa rete. Si rivolga al personale.",
	}},
	Arabic: {Title: "بقسيمة", Label: "رمز القسيمة", How: "اتصل بشبكة الضيوف اللاسلكية. امسح رمز QR، أو اكتب هذا الرمز عندما تُفتح صفحة تسجيل الدخول:", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "في هذا الرمز حرف ناقص أو خاطئ. يُرجى مقارنته بالقسيمة.",
		sessions.RefusedCode:        "لا توجد قسيمة بهذا الرمز. يُرجى مقارنته بالقسيمة أو سؤال الموظفين.",
		sessions.RefusedInactive:    "أُلغيت هذه القسيمة. يُرجى سؤال الموظفين.",
		sessions.RefusedExpired:     "انتهت صلاحية هذه القسيمة. يُرجى طلب قسيمة جديدة من الموظفين.",
		sessions.RefusedNothingLeft: "نفد رصيد هذه القسيمة. يُرجى طلب قسيمة جديدة من الموظفين.",
		sessions.RefusedTooMany:     "هذه القسيمة مستخدمة على أكبر عدد مسموح به من الأجهزة. سجّل الخروج من جهاز آخر أولًا.",
		sessions.RefusedElsewhere:   "هذه القسيمة ليست لهذه الشبكة. يُرجى سؤال الموظفين.",
	}},
	Chinese: {Title: "使用上网券", Label: "上网券代码", How: "请连接访客 Wi-Fi，然后扫描二维码，或在登录页面打开后输入此代码：", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "代码缺少字符或输入有误，请与上网券核对。",
		sessions.RefusedCode:        "没有使用此代码的上网券。请与上网券核对，或询问工作人员。",
		sessions.RefusedInactive:    "此上网券已作废，请联系工作人员。",
		sessions.RefusedExpired:     "此上网券已过期，请向工作人员索取新的。",
		sessions.RefusedNothingLeft: "此上网券已用完，请向工作人员索取新的。",
		sessions.RefusedTooMany:     "使用此上网券的设备数量已达上限，请先在另一台设备上退出。",
		sessions.RefusedElsewhere:   "此上网券不适用于此网络，请联系工作人员。",
	}},
	Japanese: {Title: "利用券で接続", Label: "利用券のコード", How: "ゲスト用 Wi-Fi に接続し、QR コードを読み取るか、ログインページが開いたらこのコードを入力してください：", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "コードの文字が足りないか、間違っています。利用券と見比べてください。",
		sessions.RefusedCode:        "このコードの利用券はありません。利用券と見比べるか、係員にお尋ねください。",
		sessions.RefusedInactive:    "この利用券は取り消されています。係員にお尋ねください。",
		sessions.RefusedExpired:     "この利用券は期限切れです。新しい利用券を係員にお求めください。",
		sessions.RefusedNothingLeft: "この利用券は使い切られています。新しい利用券を係員にお求めください。",
		sessions.RefusedTooMany:     "この利用券は使用できる台数に達しています。先に別の端末でログアウトしてください。",
		sessions.RefusedElsewhere:   "この利用券はこのネットワークでは使えません。係員にお尋ねください。",
	}},
	Hindi: {Title: "वाउचर से", Label: "वाउचर कोड", How: "हमारे अतिथि वाई-फ़ाई से जुड़ें। क्यूआर कोड स्कैन करें, या लॉग-इन पृष्ठ खुलने पर यह कोड लिखें:", Problems: map[sessions.Reason]string{
		sessions.RefusedMistyped:    "इस कोड में कोई अक्षर छूट गया है या ग़लत है। कृपया इसे अपने वाउचर से मिलाएँ।",
		sessions.RefusedCode:        "इस कोड का कोई वाउचर नहीं है। कृपया इसे अपने वाउचर से मिलाएँ या कर्मचारियों से पूछें।",
		sessions.RefusedInactive:    "यह वाउचर रद्द कर दिया गया है। कृपया कर्मचारियों से पूछें।",
		sessions.RefusedExpired:     "इस वाउचर की अवधि समाप्त हो गई है। कृपया कर्मचारियों से नया वाउचर लें।",
		sessions.RefusedNothingLeft: "यह वाउचर पूरा इस्तेमाल हो चुका है। कृपया कर्मचारियों से नया वाउचर लें।",
		sessions.RefusedTooMany:     "यह वाउचर जितने उपकरणों के लिए है, उतनों पर पहले से चल रहा है। पहले किसी दूसरे उपकरण पर लॉग आउट करें।",
		sessions.RefusedElsewhere:   "यह वाउचर इस नेटवर्क के लिए नहीं है। कृपया कर्मचारियों से पूछें।",
	}},
}
