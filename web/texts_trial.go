package web

import "gatehouse/sessions"

// trialTexts are the words of free trials, of opening hours, of terms that a button accepts, and of moments to come. {time} is a span, {until} a
// moment, {link} leads to the terms.
type trialTexts struct {
	Title, GoOnline string
	Closed          string
	AcceptedBy      string // a line below the button of a way in that has no box to tick

	Weekdays [7]string // Sunday first
	Moment   string    // {weekday}, {d}, {m}, {h}, {min}
	Later    string    // in the place of a moment that is not known
	Problems map[sessions.Reason]string
}

var trialWords = area[trialTexts]{
	English: {
		Title: "Free of charge", GoOnline: "Go online for {time}",
		AcceptedBy: "By going online you accept the {link}.",
		Weekdays:   [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
		Moment:     "{weekday} {d}/{m} at {h}:{min}", Later: "later",
		Closed: "We are closed",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "The guest Wi-Fi opens again: {until}.",
			sessions.RefusedHours:     "This account may go online at certain times only. Next time: {until}.",
			sessions.RefusedTimeUp:    "The time of this account is used up for now. It has more again: {until}.",
			sessions.RefusedTrialUsed: "This device has used up its free time for today. Next free use: {until}.",
			sessions.RefusedTrialFull: "All free places are taken at the moment. Next free use: {until}.",
		},
	},
	German: {
		Title: "Kostenlos", GoOnline: "{time} online gehen",
		AcceptedBy: "Wenn Sie online gehen, stimmen Sie den {link} zu.",
		Weekdays:   [7]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"},
		Moment:     "{weekday}, {d}.{m}., {h}:{min} Uhr", Later: "später",
		Closed: "Zurzeit geschlossen",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "Das Gäste-WLAN öffnet wieder: {until}.",
			sessions.RefusedHours:     "Dieses Konto darf nur zu bestimmten Zeiten online gehen. Das nächste Mal: {until}.",
			sessions.RefusedTimeUp:    "Die Zeit dieses Kontos ist vorerst aufgebraucht. Neue gibt es: {until}.",
			sessions.RefusedTrialUsed: "Dieses Gerät hat seine kostenlose Zeit für heute verbraucht. Nächste kostenlose Nutzung: {until}.",
			sessions.RefusedTrialFull: "Zurzeit sind alle kostenlosen Plätze vergeben. Nächste kostenlose Nutzung: {until}.",
		},
	},
	Spanish: {
		Title: "Gratis", GoOnline: "Conectarse durante {time}",
		AcceptedBy: "Al conectarse acepta las {link}.",
		Weekdays:   [7]string{"domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"},
		Moment:     "{weekday} {d}/{m} a las {h}:{min}", Later: "más tarde",
		Closed: "Cerrado en este momento",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "El wifi para huéspedes vuelve a abrir: {until}.",
			sessions.RefusedHours:     "Esta cuenta solo puede conectarse a determinadas horas. Próxima vez: {until}.",
			sessions.RefusedTimeUp:    "El tiempo de esta cuenta se ha agotado por ahora. Tendrá más: {until}.",
			sessions.RefusedTrialUsed: "Este dispositivo ya ha usado su tiempo gratuito de hoy. Próximo uso gratuito: {until}.",
			sessions.RefusedTrialFull: "En este momento no quedan plazas gratuitas. Próximo uso gratuito: {until}.",
		},
	},
	French: {
		Title: "Gratuit", GoOnline: "Se connecter pour {time}",
		AcceptedBy: "En vous connectant, vous acceptez les {link}.",
		Weekdays:   [7]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"},
		Moment:     "{weekday} {d}/{m} à {h} h {min}", Later: "plus tard",
		Closed: "Fermé pour le moment",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "Le Wi-Fi des invités rouvre : {until}.",
			sessions.RefusedHours:     "Ce compte ne peut se connecter qu’à certaines heures. Prochaine fois : {until}.",
			sessions.RefusedTimeUp:    "Le temps de ce compte est épuisé pour le moment. Il en aura de nouveau : {until}.",
			sessions.RefusedTrialUsed: "Cet appareil a utilisé son temps gratuit pour aujourd’hui. Prochaine utilisation gratuite : {until}.",
			sessions.RefusedTrialFull: "Toutes les places gratuites sont prises pour le moment. Prochaine utilisation gratuite : {until}.",
		},
	},
	Portuguese: {
		Title: "Grátis", GoOnline: "Navegar durante {time}",
		AcceptedBy: "Ao navegar, aceita os {link}.",
		Weekdays:   [7]string{"domingo", "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado"},
		Moment:     "{weekday} {d}/{m} às {h}:{min}", Later: "mais tarde",
		Closed: "Fechado de momento",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "O Wi-Fi para hóspedes reabre: {until}.",
			sessions.RefusedHours:     "Esta conta só pode ligar-se a certas horas. Próxima vez: {until}.",
			sessions.RefusedTimeUp:    "O tempo desta conta esgotou-se por agora. Terá mais: {until}.",
			sessions.RefusedTrialUsed: "Este dispositivo já usou o tempo gratuito de hoje. Próxima utilização gratuita: {until}.",
			sessions.RefusedTrialFull: "De momento não há lugares gratuitos. Próxima utilização gratuita: {until}.",
		},
	},
	Italian: {
		Title: "Gratis", GoOnline: "Naviga per {time}",
		AcceptedBy: "Navigando accetti le {link}.",
		Weekdays:   [7]string{"domenica", "lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato"},
		Moment:     "{weekday} {d}/{m} alle {h}:{min}", Later: "più tardi",
		Closed: "Chiuso al momento",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "Il Wi-Fi per gli ospiti riapre: {until}.",
			sessions.RefusedHours:     "Questo account può collegarsi solo in certi orari. La prossima volta: {until}.",
			sessions.RefusedTimeUp:    "Per ora il tempo di questo account è esaurito. Ne avrà altro: {until}.",
			sessions.RefusedTrialUsed: "Questo dispositivo ha usato il tempo gratuito di oggi. Prossimo uso gratuito: {until}.",
			sessions.RefusedTrialFull: "Al momento tutti i posti gratuiti sono occupati. Prossimo uso gratuito: {until}.",
		},
	},
	Arabic: {
		Title: "مجاناً", GoOnline: "اتصل لمدة {time}",
		AcceptedBy: "باتصالك أنت توافق على {link}.",
		Weekdays:   [7]string{"الأحد", "الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت"},
		Moment:     "{weekday} {d}/{m} الساعة {h}:{min}", Later: "لاحقاً",
		Closed: "مغلق حالياً",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "تعود شبكة الضيوف للعمل: {until}.",
			sessions.RefusedHours:     "لا يمكن لهذا الحساب الاتصال إلا في أوقات محددة. الموعد التالي: {until}.",
			sessions.RefusedTimeUp:    "نفد وقت هذا الحساب حالياً. يتجدد: {until}.",
			sessions.RefusedTrialUsed: "استخدم هذا الجهاز وقته المجاني لهذا اليوم. الاستخدام المجاني القادم: {until}.",
			sessions.RefusedTrialFull: "جميع الأماكن المجانية مشغولة حالياً. الاستخدام المجاني القادم: {until}.",
		},
	},
	Chinese: {
		Title: "免费上网", GoOnline: "免费上网 {time}",
		AcceptedBy: "上网即表示您接受{link}。",
		Weekdays:   [7]string{"星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六"},
		Moment:     "{m}月{d}日{weekday} {h}:{min}", Later: "稍后",
		Closed: "目前已关闭",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "访客 Wi-Fi 下次开放：{until}。",
			sessions.RefusedHours:     "此账号只能在规定的时间上网。下次可用：{until}。",
			sessions.RefusedTimeUp:    "此账号的上网时间暂时已用完。恢复时间：{until}。",
			sessions.RefusedTrialUsed: "此设备今天的免费时间已用完。下次免费使用：{until}。",
			sessions.RefusedTrialFull: "目前免费名额已满。下次免费使用：{until}。",
		},
	},
	Japanese: {
		Title: "無料で利用", GoOnline: "{time} 接続する",
		AcceptedBy: "接続すると、{link}に同意したことになります。",
		Weekdays:   [7]string{"日曜日", "月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日"},
		Moment:     "{m}月{d}日（{weekday}）{h}:{min}", Later: "後ほど",
		Closed: "ただいま時間外です",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "ゲスト Wi-Fi の次の利用開始：{until}。",
			sessions.RefusedHours:     "このアカウントは決められた時間帯にのみ利用できます。次の利用開始：{until}。",
			sessions.RefusedTimeUp:    "このアカウントの利用時間は上限に達しました。次の利用開始：{until}。",
			sessions.RefusedTrialUsed: "この端末の本日の無料時間は終了しました。次の無料利用：{until}。",
			sessions.RefusedTrialFull: "ただいま無料枠は満員です。次の無料利用：{until}。",
		},
	},
	Hindi: {
		Title: "मुफ़्त", GoOnline: "{time} के लिए ऑनलाइन जाएँ",
		AcceptedBy: "ऑनलाइन जाकर आप {link} स्वीकार करते हैं।",
		Weekdays:   [7]string{"रविवार", "सोमवार", "मंगलवार", "बुधवार", "गुरुवार", "शुक्रवार", "शनिवार"},
		Moment:     "{weekday} {d}/{m} को {h}:{min} बजे", Later: "बाद में",
		Closed: "अभी बंद है",
		Problems: map[sessions.Reason]string{
			sessions.RefusedClosed:    "गेस्ट वाई-फ़ाई फिर खुलेगा: {until}।",
			sessions.RefusedHours:     "यह खाता केवल तय समय पर ऑनलाइन जा सकता है। अगली बार: {until}।",
			sessions.RefusedTimeUp:    "इस खाते का समय फ़िलहाल समाप्त हो गया है। फिर मिलेगा: {until}।",
			sessions.RefusedTrialUsed: "इस उपकरण का आज का मुफ़्त समय समाप्त हो गया है। अगला मुफ़्त उपयोग: {until}।",
			sessions.RefusedTrialFull: "इस समय सभी मुफ़्त स्थान भरे हैं। अगला मुफ़्त उपयोग: {until}।",
		},
	},
}
