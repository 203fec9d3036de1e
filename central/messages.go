package central

// messages are what guests and sponsors are sent, by language and name. {code}, {minutes} and {house} stand for what is put there.
// Text messages are short: in letters beyond Latin 70 characters are one message.
var messages = map[string]map[string]string{
	"en": {
		"sms":          "{code} is your Wi-Fi code at {house}. Valid for {minutes} minutes.",
		"mail_subject": "{code} is your Wi-Fi code",
		"mail":         "Hello,\n\nyour code for the Wi-Fi at {house}:\n\n    {code}\n\nIt is valid for {minutes} minutes, on the device on which you asked for it. If you did not, ignore this mail.\n",
	},
	"es": {
		"sms":          "{code} es su código wifi en {house}. Válido {minutes} minutos.",
		"mail_subject": "{code} es su código wifi",
		"mail":         "Hola:\n\nSu código para la wifi de {house}:\n\n    {code}\n\nEs válido durante {minutes} minutos, en el dispositivo con el que lo pidió. Si no lo pidió, ignore este mensaje.\n",
	},
	"fr": {
		"sms":          "{code} est votre code Wi-Fi à {house}. Valable {minutes} minutes.",
		"mail_subject": "{code} est votre code Wi-Fi",
		"mail":         "Bonjour,\n\nVotre code pour le Wi-Fi de {house} :\n\n    {code}\n\nIl est valable {minutes} minutes, sur l'appareil qui l'a demandé. Si vous n'avez rien demandé, ignorez ce message.\n",
	},
	"de": {
		"sms":          "{code} ist Ihr WLAN-Code bei {house}. {minutes} Minuten gültig.",
		"mail_subject": "{code} ist Ihr WLAN-Code",
		"mail":         "Guten Tag,\n\nIhr Code für das WLAN von {house}:\n\n    {code}\n\nEr gilt {minutes} Minuten, auf dem Gerät, mit dem Sie ihn angefordert haben. Falls Sie das nicht waren, beachten Sie diese Nachricht nicht.\n",
	},
	"pt": {
		"sms":          "{code} é o seu código Wi-Fi em {house}. Válido por {minutes} minutos.",
		"mail_subject": "{code} é o seu código Wi-Fi",
		"mail":         "Olá,\n\nO seu código para o Wi-Fi de {house}:\n\n    {code}\n\nÉ válido por {minutes} minutos, no dispositivo em que o pediu. Se não o pediu, ignore esta mensagem.\n",
	},
	"it": {
		"sms":          "{code} è il suo codice Wi-Fi presso {house}. Vale {minutes} minuti.",
		"mail_subject": "{code} è il suo codice Wi-Fi",
		"mail":         "Buongiorno,\n\nil suo codice per il Wi-Fi di {house}:\n\n    {code}\n\nVale {minutes} minuti, sul dispositivo da cui l'ha richiesto. Se non l'ha richiesto, ignori questo messaggio.\n",
	},
	"ar": {
		"sms":          "{code} هو رمز الواي فاي في {house}. صالح {minutes} دقائق.",
		"mail_subject": "{code} هو رمز الواي فاي الخاص بك",
		"mail":         "مرحبًا،\n\nرمزك لشبكة الواي فاي في {house}:\n\n    {code}\n\nالرمز صالح لمدة {minutes} دقائق على الجهاز الذي طلبته منه. إذا لم تطلبه فتجاهل هذه الرسالة.\n",
	},
	"zh": {
		"sms":          "{house} Wi-Fi 验证码：{code}，{minutes} 分钟内有效。",
		"mail_subject": "Wi-Fi 验证码：{code}",
		"mail":         "您好：\n\n您在 {house} 的 Wi-Fi 验证码：\n\n    {code}\n\n验证码在 {minutes} 分钟内有效，仅限申请时所用的设备。如非本人操作，请忽略本邮件。\n",
	},
	"ja": {
		"sms":          "{house} の Wi-Fi コード：{code}（{minutes}分間有効）",
		"mail_subject": "Wi-Fi コード：{code}",
		"mail":         "こんにちは。\n\n{house} の Wi-Fi コードです。\n\n    {code}\n\n{minutes}分間、申し込みをした端末でのみ有効です。お心当たりがない場合は、このメールを無視してください。\n",
	},
	"hi": {
		"sms":          "{house} के वाई-फ़ाई का कोड: {code}। {minutes} मिनट तक मान्य।",
		"mail_subject": "आपका वाई-फ़ाई कोड: {code}",
		"mail":         "नमस्ते,\n\n{house} के वाई-फ़ाई के लिए आपका कोड:\n\n    {code}\n\nयह {minutes} मिनट तक मान्य है, केवल उस डिवाइस पर जिससे आपने इसे माँगा था। यदि आपने नहीं माँगा, तो इस संदेश को अनदेखा करें।\n",
	},
}
