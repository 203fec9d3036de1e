package web

// roomTexts are the words of the way in with room and name.
type roomTexts struct{ Title, Room, Name, Wrong, TooMany string }

var roomWords = area[roomTexts]{
	English: {"With your room", "Room number", "Family name", "We do not find this room and name together. Please check both, or ask at the reception.",
		"As many devices as your stay allows are online already. Log out on another device first, or ask at the reception."},
	German: {"Mit Ihrem Zimmer", "Zimmernummer", "Familienname", "Dieses Zimmer und diesen Namen finden wir nicht zusammen. Bitte prüfen Sie beides, oder fragen Sie an der Rezeption.",
		"Es sind schon so viele Geräte online, wie Ihr Aufenthalt erlaubt. Melden Sie sich zuerst auf einem anderen Gerät ab, oder fragen Sie an der Rezeption."},
	Spanish: {"Con su habitación", "Número de habitación", "Apellidos", "No encontramos esta habitación con este nombre. Revise ambos o pregunte en recepción.",
		"Ya hay conectados tantos dispositivos como permite su estancia. Cierre antes la sesión en otro o pregunte en recepción."},
	French: {"Avec votre chambre", "Numéro de chambre", "Nom de famille", "Nous ne trouvons pas cette chambre à ce nom. Vérifiez les deux ou demandez à la réception.",
		"Autant d’appareils que votre séjour en autorise sont déjà connectés. Déconnectez-en un d’abord ou demandez à la réception."},
	Portuguese: {"Com o seu quarto", "Número do quarto", "Apelido", "Não encontramos este quarto com este nome. Verifique ambos ou pergunte na receção.",
		"Já estão ligados tantos dispositivos quantos a sua estadia permite. Termine primeiro a sessão noutro ou pergunte na receção."},
	Italian: {"Con la sua camera", "Numero di camera", "Cognome", "Non troviamo questa camera con questo nome. Li controlli entrambi o chieda alla reception.",
		"Sono già connessi tutti i dispositivi consentiti dal suo soggiorno. Si disconnetta prima da un altro o chieda alla reception."},
	Arabic: {"برقم غرفتك", "رقم الغرفة", "اسم العائلة", "لا نجد هذه الغرفة بهذا الاسم. يُرجى التحقق منهما أو سؤال الاستقبال.",
		"عدد الأجهزة المتصلة بلغ الحد المسموح به في إقامتك. سجّل الخروج من جهاز آخر أولًا أو اسأل الاستقبال."},
	Chinese: {"使用房间号", "房间号", "姓氏", "找不到与此姓名对应的房间。请检查两者，或询问前台。",
		"已联网的设备数量已达您住宿的上限。请先在另一台设备上退出，或询问前台。"},
	Japanese: {"お部屋番号で接続", "部屋番号", "姓", "この部屋番号とお名前の組み合わせが見つかりません。両方をご確認いただくか、フロントにお尋ねください。",
		"ご滞在で使用できる台数がすでに接続されています。先に別の端末でログアウトするか、フロントにお尋ねください。"},
	Hindi: {"अपने कमरे से", "कमरा नंबर", "उपनाम", "यह कमरा और यह नाम साथ में नहीं मिले। कृपया दोनों जाँचें या रिसेप्शन पर पूछें।",
		"आपके ठहराव में जितने उपकरण चल सकते हैं, उतने पहले से जुड़े हैं। पहले किसी दूसरे उपकरण पर लॉग आउट करें या रिसेप्शन पर पूछें।"},
}
