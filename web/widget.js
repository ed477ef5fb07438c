/*
 * The chat of a chatbot, on any page:
 *
 *   <script src="https://chat.example.com/widget.js" data-chatbot="ID" async></script>
 *
 * docs/chatbots.md says what a page may set. It lives in a shadow root, so that neither the page's
 * styles come in nor its own go out, and uses nothing that a strict Content-Security-Policy forbids:
 * no markup from text (all nodes are createElement's), no style element, no eval, image or frame.
 */
(() => {
"use strict";

const script = document.currentScript ?? document.querySelector("script[data-chatbot]");
const server = new URL(script.src).origin;
const bot = (script.dataset.chatbot ?? "").trim();

/* -- texts, by language */

const NAMES = ["open", "close", "write", "send", "anew", "answering", "sources", "page", "up", "down",
	"failed", "busy", "lost", "you", "suggestions", "messages"];
const TEXTS = {
	en: "Open chat|Close chat|Write a message…|Send|New conversation|Answering…|Sources|page #|Helpful|Not helpful|Something went wrong. Please try again.|Too many messages. Please wait a little.|Connection lost. Trying again…|You|Suggested questions|Messages",
	de: "Chat öffnen|Chat schließen|Nachricht schreiben …|Senden|Neues Gespräch|Antwort kommt …|Quellen|Seite #|Hilfreich|Nicht hilfreich|Das hat nicht geklappt. Bitte noch einmal versuchen.|Zu viele Nachrichten. Bitte etwas warten.|Verbindung unterbrochen. Neuer Versuch …|Sie|Vorgeschlagene Fragen|Nachrichten",
	fr: "Ouvrir la discussion|Fermer la discussion|Écrire un message…|Envoyer|Nouvelle conversation|Réponse en cours…|Sources|page #|Utile|Pas utile|Une erreur s’est produite. Veuillez réessayer.|Trop de messages. Veuillez patienter un peu.|Connexion perdue. Nouvel essai…|Vous|Questions suggérées|Messages",
	es: "Abrir el chat|Cerrar el chat|Escribe un mensaje…|Enviar|Nueva conversación|Respondiendo…|Fuentes|página #|Útil|No es útil|Algo ha fallado. Inténtalo de nuevo.|Demasiados mensajes. Espera un poco.|Se perdió la conexión. Reintentando…|Tú|Preguntas sugeridas|Mensajes",
	it: "Apri la chat|Chiudi la chat|Scrivi un messaggio…|Invia|Nuova conversazione|Risposta in corso…|Fonti|pagina #|Utile|Non utile|Qualcosa è andato storto. Riprova.|Troppi messaggi. Attendi un momento.|Connessione persa. Nuovo tentativo…|Tu|Domande suggerite|Messaggi",
	pt: "Abrir a conversa|Fechar a conversa|Escreva uma mensagem…|Enviar|Nova conversa|A responder…|Fontes|página #|Útil|Não foi útil|Algo correu mal. Tente novamente.|Demasiadas mensagens. Aguarde um pouco.|Ligação perdida. A tentar de novo…|Você|Perguntas sugeridas|Mensagens",
	nl: "Chat openen|Chat sluiten|Schrijf een bericht…|Versturen|Nieuw gesprek|Bezig met antwoorden…|Bronnen|pagina #|Nuttig|Niet nuttig|Er ging iets mis. Probeer het opnieuw.|Te veel berichten. Wacht even.|Verbinding verbroken. Nieuwe poging…|Jij|Voorgestelde vragen|Berichten",
	pl: "Otwórz czat|Zamknij czat|Napisz wiadomość…|Wyślij|Nowa rozmowa|Odpowiadam…|Źródła|strona #|Pomocne|Niepomocne|Coś poszło nie tak. Spróbuj ponownie.|Za dużo wiadomości. Poczekaj chwilę.|Utracono połączenie. Ponawiam próbę…|Ty|Sugerowane pytania|Wiadomości",
	cs: "Otevřít chat|Zavřít chat|Napište zprávu…|Odeslat|Nová konverzace|Odpovídám…|Zdroje|strana #|Užitečné|Neužitečné|Něco se nepovedlo. Zkuste to znovu.|Příliš mnoho zpráv. Chvíli počkejte.|Spojení přerušeno. Zkouším to znovu…|Vy|Navrhované otázky|Zprávy",
	sv: "Öppna chatten|Stäng chatten|Skriv ett meddelande…|Skicka|Ny konversation|Svarar…|Källor|sida #|Hjälpsamt|Inte hjälpsamt|Något gick fel. Försök igen.|För många meddelanden. Vänta lite.|Anslutningen bröts. Försöker igen…|Du|Föreslagna frågor|Meddelanden",
	uk: "Відкрити чат|Закрити чат|Напишіть повідомлення…|Надіслати|Нова розмова|Відповідаю…|Джерела|сторінка #|Корисно|Не корисно|Щось пішло не так. Спробуйте ще раз.|Забагато повідомлень. Зачекайте трохи.|З’єднання втрачено. Пробую ще раз…|Ви|Запропоновані запитання|Повідомлення",
	ru: "Открыть чат|Закрыть чат|Напишите сообщение…|Отправить|Новый разговор|Отвечаю…|Источники|страница #|Полезно|Не полезно|Что-то пошло не так. Попробуйте ещё раз.|Слишком много сообщений. Подождите немного.|Соединение потеряно. Пробую снова…|Вы|Предлагаемые вопросы|Сообщения",
	tr: "Sohbeti aç|Sohbeti kapat|Bir mesaj yazın…|Gönder|Yeni sohbet|Yanıtlanıyor…|Kaynaklar|sayfa #|Yararlı|Yararlı değil|Bir sorun oluştu. Lütfen tekrar deneyin.|Çok fazla mesaj. Lütfen biraz bekleyin.|Bağlantı koptu. Yeniden deneniyor…|Siz|Önerilen sorular|Mesajlar",
	ar: "فتح المحادثة|إغلاق المحادثة|اكتب رسالة…|إرسال|محادثة جديدة|جارٍ الرد…|المصادر|صفحة #|مفيد|غير مفيد|حدث خطأ ما. يرجى المحاولة مرة أخرى.|رسائل كثيرة جدًا. يرجى الانتظار قليلًا.|انقطع الاتصال. جارٍ إعادة المحاولة…|أنت|أسئلة مقترحة|الرسائل",
	he: "פתיחת הצ׳אט|סגירת הצ׳אט|כתבו הודעה…|שליחה|שיחה חדשה|עונה…|מקורות|עמוד #|מועיל|לא מועיל|משהו השתבש. נסו שוב.|יותר מדי הודעות. המתינו מעט.|החיבור נותק. מנסה שוב…|אתם|שאלות מוצעות|הודעות",
	fa: "باز کردن گفتگو|بستن گفتگو|پیامی بنویسید…|ارسال|گفتگوی جدید|در حال پاسخ…|منابع|صفحه #|مفید|نامفید|مشکلی پیش آمد. دوباره تلاش کنید.|پیام‌ها بیش از حد است. کمی صبر کنید.|ارتباط قطع شد. تلاش دوباره…|شما|پرسش‌های پیشنهادی|پیام‌ها",
	hi: "चैट खोलें|चैट बंद करें|संदेश लिखें…|भेजें|नई बातचीत|उत्तर आ रहा है…|स्रोत|पृष्ठ #|उपयोगी|उपयोगी नहीं|कुछ गड़बड़ हुई। कृपया फिर कोशिश करें।|बहुत अधिक संदेश। कृपया थोड़ा रुकें।|कनेक्शन टूट गया। फिर कोशिश हो रही है…|आप|सुझाए गए प्रश्न|संदेश",
	zh: "打开聊天|关闭聊天|输入消息…|发送|新对话|正在回答…|来源|第 # 页|有帮助|没有帮助|出错了，请重试。|消息过多，请稍候。|连接已断开，正在重试…|您|推荐问题|消息",
	ja: "チャットを開く|チャットを閉じる|メッセージを入力…|送信|新しい会話|回答中…|出典|# ページ|役に立った|役に立たなかった|エラーが発生しました。もう一度お試しください。|メッセージが多すぎます。少しお待ちください。|接続が切れました。再試行しています…|あなた|質問の例|メッセージ",
	ko: "채팅 열기|채팅 닫기|메시지를 입력하세요…|보내기|새 대화|답변 중…|출처|#쪽|도움이 됨|도움이 안 됨|문제가 발생했습니다. 다시 시도해 주세요.|메시지가 너무 많습니다. 잠시 기다려 주세요.|연결이 끊겼습니다. 다시 시도하는 중…|나|추천 질문|메시지",
};
const languageOf = (tag) => {
	const [main] = tag.toLowerCase().split("-");
	return Object.hasOwn(TEXTS, main) ? main : undefined;
};
const language = [script.dataset.lang ?? [], navigator.languages ?? []].flat().map(languageOf).find(Boolean) ?? "en";
const t = Object.fromEntries(TEXTS[language].split("|").map((text, i) => [NAMES[i], text]));
const direction = ["ar", "he", "fa"].includes(language) ? "rtl" : "ltr";

/* -- nodes */

/* An element with attributes and children (nodes, or text). */
function el(name, attributes = {}, ...children) {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		node.setAttribute(key, value);
	node.append(...children);
	return node;
}

function icon(path) {
	const make = (name, attributes) => {
		const node = document.createElementNS("http://www.w3.org/2000/svg", name);
		for (const [key, value] of Object.entries(attributes))
			node.setAttribute(key, value);
		return node;
	};
	const svg = make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" });
	svg.append(make("path", { d: path }));
	return svg;
}
const ICONS = {
	chat: "M4 4h16v12H9l-5 4z", close: "M6 6l12 12M18 6L6 18", send: "M12 20V5M6 11l6-6 6 6", anew: "M12 5v14M5 12h14",
	up: "M7 11v9H3v-9zM7 11l4-8c2 0 3 1 2 6h7l-2 11H7", down: "M7 13V4H3v9zM7 13l4 8c2 0 3-1 2-6h7l-2-11H7",
};
const button = (what, label, more = {}) => el("button", { type: "button", class: what, "aria-label": label, title: label, ...more }, icon(ICONS[what]));

/* -- Markdown */

/* An address to which an answer may link, or undefined. */
function safeUrl(text) {
	try {
		const url = new URL(text);
		return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : undefined;
	} catch {
		return undefined;
	}
}
const link = (url, label) => el("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, label);

const isSpace = (c) => c === undefined || /\s/.test(c);
const isWord = (c) => c !== undefined && /[\p{L}\p{N}_]/u.test(c);
const MARKS = [["**", "strong"], ["__", "strong"], ["~~", "del"], ["*", "em"], ["_", "em"]];

function emphasis(text, at, depth) {
	for (const [mark, name] of MARKS) {
		const from = at + mark.length;
		if (!text.startsWith(mark, at) || isSpace(text[from]) || (mark[0] === "_" && isWord(text[at - 1])))
			continue;
		let end = text.indexOf(mark, from + 1);
		/* a few ends are looked at, so that a text of nothing but marks takes no time */
		for (let tries = 0; end > 0 && tries < 20; tries++) {
			const after = text[end + mark.length];
			if (mark.length === 1 && after === mark)
				end++;
			else if (!isSpace(text[end - 1]) && !(mark[0] === "_" && isWord(after)))
				return [inline(text.slice(from, end), el(name), depth + 1), end + mark.length];
			end = text.indexOf(mark, end + 1);
		}
	}
	return undefined;
}

/* The address in parentheses from `at` on, which may have some itself, and the place behind. */
function parenthesis(text, at) {
	let open = 1;
	for (let end = at; end < Math.min(text.length, at + 2500); end++) {
		if (text[end] === "(")
			open++;
		else if (text[end] === ")" && --open === 0)
			return [text.slice(at, end).trim().split(/\s/)[0].replace(/^<|>$/g, ""), end + 1];
	}
	return ["", at];
}

/* [label](address); a picture is a link to it, since fetching one would tell others what was said. */
function labelled(text, at, depth) {
	const from = text[at] === "!" ? at + 2 : at + 1, middle = text.indexOf("](", from);
	if (text[from - 1] !== "[" || middle < 0 || middle - from > 500 || text.indexOf("]", from) < middle)
		return undefined;
	const [address, end] = parenthesis(text, middle + 2), url = safeUrl(address), label = text.slice(from, middle);
	return url ? [link(url, inline(label || address, document.createDocumentFragment(), depth + 6)), end] : undefined;
}

function address(text, at) {
	const found = text.slice(at, at + 2000).match(/^<?((?:https?:\/\/|mailto:)[^\s<>"'`]+)(>?)/);
	if (!found || isWord(text[at - 1]) || (text[at] === "<") !== (found[2] === ">"))
		return undefined;
	const shown = text[at] === "<" ? found[1] : found[1].replace(/[.,;:!?*_)\]]+$/, "");
	const url = safeUrl(shown);
	return url ? [link(url, shown), at + shown.length + (text[at] === "<" ? 2 : 0)] : undefined;
}

function code(text, at) {
	const [run] = text.slice(at, at + 50).match(/^`+/), end = text.indexOf(run, at + run.length);
	return end < 0 ? [document.createTextNode(run), at + run.length]
		: [el("code", {}, text.slice(at + run.length, end)), end + run.length];
}

/* What begins at `at` and is no plain text: its node, and the place behind. */
function special(text, at, depth) {
	switch (text[at]) {
	case "\n":
		return [el("br"), at + 1];
	case "\\":
		return /^[!-/:-@[-`{-~]/.test(text.slice(at + 1, at + 2)) ? [document.createTextNode(text[at + 1]), at + 2] : undefined;
	case "`":
		return code(text, at);
	case "[":
	case "!":
		return depth < 6 ? labelled(text, at, depth) : undefined;
	case "<":
	case "h":
		return depth < 6 ? address(text, at) : undefined;
	case "*":
	case "_":
	case "~":
		return depth < 12 ? emphasis(text, at, depth) : undefined;
	default:
		return undefined;
	}
}

function inline(text, out, depth = 0) {
	let plain = "";
	for (let at = 0; at < text.length;) {
		const found = special(text, at, depth);
		if (found) {
			out.append(plain, found[0]);
			[, at] = found;
			plain = "";
		} else {
			plain += text[at++];
		}
	}
	out.append(plain);
	return out;
}

const ITEM = /^( *)([-*+]|\d{1,9}[.)])( +|$)/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}#{1,6} +/;
const RULE = { test: (line) => /^(?:-{3,}|\*{3,}|_{3,})$/.test(line.replaceAll(" ", "")) };
const isTable = (lines, i) => lines[i].includes("|") && /^[ |:-]+$/.test(lines[i + 1] ?? "") && /\|/.test(lines[i + 1]) && /-/.test(lines[i + 1]);
const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
const beginsBlock = (lines, i) => [FENCE, HEADING, RULE, ITEM, /^ {0,3}>/].some((what) => what.test(lines[i])) || isTable(lines, i);

/* The block that begins at line i: its node, and the line behind. */
const BLOCKS = [
	[(lines, i) => FENCE.test(lines[i]), (lines, i) => {
		const [, fence] = FENCE.exec(lines[i]);
		let end = i + 1;
		while (end < lines.length && !lines[end].trimStart().startsWith(fence))
			end++;
		return [el("pre", { tabindex: "0" }, el("code", {}, lines.slice(i + 1, end).join("\n"))), end + 1];
	}],
	[(lines, i) => HEADING.test(lines[i]), (lines, i) =>
		[el("p", {}, inline(lines[i].replace(HEADING, "").replace(/ #+ *$/, ""), el("strong"))), i + 1]],
	[(lines, i) => RULE.test(lines[i]), (lines, i) => [el("hr"), i + 1]],
	[(lines, i) => /^ {0,3}>/.test(lines[i]), (lines, i, depth) => {
		let end = i;
		while (end < lines.length && lines[end].trim())
			end++;
		return [markdown(lines.slice(i, end).map((line) => line.replace(/^ {0,3}> ?/, "")), el("blockquote"), depth + 1), end];
	}],
	[(lines, i) => ITEM.test(lines[i]), list],
	[isTable, (lines, i) => {
		const row = (name, line) => el("tr", {}, ...cells(line).map((cell) => inline(cell, el(name))));
		let end = i + 2;
		while (end < lines.length && lines[end].includes("|"))
			end++;
		return [el("div", { class: "wide", tabindex: "0" }, el("table", {}, el("thead", {}, row("th", lines[i])),
			el("tbody", {}, ...lines.slice(i + 2, end).map((line) => row("td", line))))), end];
	}],
];

function list(lines, i, depth) {
	const [, indent, first] = ITEM.exec(lines[i]), isOrdered = /\d/.test(first);
	const out = el(isOrdered ? "ol" : "ul", isOrdered && parseInt(first) !== 1 ? { start: parseInt(first) } : {});
	let item;
	for (; i < lines.length; i++) {
		const found = ITEM.exec(lines[i]);
		if (found && found[1].length <= indent.length + 1) {
			if (/\d/.test(found[2]) !== isOrdered || found[1].length < indent.length)
				break;
			item = { width: found[0].length, lines: [] };
			(out.items ??= []).push(item);
			item.lines.push(lines[i].slice(item.width));
		} else if (/^ {2}/.test(lines[i]) || !lines[i].trim() ||
			(item.lines.at(-1).trim() && !beginsBlock(lines, i))) {
			item.lines.push(lines[i].replace(new RegExp(`^ {0,${item.width}}`), ""));
		} else {
			break;
		}
	}
	out.append(...out.items.map((one) => markdown(one.lines, el("li"), depth + 1)));
	return [out, i];
}

/* Appends to `out` what the lines say. Nested deeper than anybody writes, text is plain. */
function markdown(lines, out, depth = 0) {
	for (let i = 0; i < lines.length;) {
		const found = depth < 8 && BLOCKS.find(([fits]) => fits(lines, i));
		if (!lines[i].trim()) {
			i++;
		} else if (found) {
			const [node, next] = found[1](lines, i, depth);
			out.append(node);
			i = next;
		} else {
			const from = i;
			do
				i++;
			while (i < lines.length && lines[i].trim() && (depth >= 8 || !beginsBlock(lines, i)));
			out.append(inline(lines.slice(from, i).map((line) => line.trim()).join("\n"), el("p")));
		}
	}
	return out;
}

/* -- looks */

/* !important: before the page's rules */
const STYLE = `
:host { all: initial !important; position: fixed !important; inset: auto 20px 20px auto !important; z-index: 2147483000 !important;
	font: 15px/1.5 var(--font, system-ui, sans-serif) !important; color: var(--text) !important; color-scheme: light !important;
	--accent: #1f5fbf; --on: #fff; --back: #fff; --text: #1c1e21; --soft: #eef0f3; --line: #c6cad1; --dim: #555b66; --radius: 14px; }
:host([data-dark]) { color-scheme: dark !important; --back: #1d1f23; --text: #ececf0; --soft: #2d3036; --line: #4a4f58; --dim: #b0b5bf; }
:host([data-left]) { inset: auto auto 20px 20px !important; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button, textarea, summary { font: inherit; color: inherit; }
button { border: 0; background: none; cursor: pointer; padding: 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; display: block; margin: auto; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.chat { width: 56px; height: 56px; border-radius: 50%; background: var(--accent); color: var(--on); box-shadow: 0 4px 16px #0005; }
.chat svg { width: 28px; height: 28px; }
.chat:focus-visible, header :focus-visible, .send:focus-visible { outline-color: var(--text); box-shadow: 0 0 0 2px var(--back); }
dialog { position: fixed; inset: auto 20px 20px auto; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: var(--radius);
	width: min(400px, 100vw - 40px); max-width: none; height: min(620px, 100vh - 40px); height: min(620px, 100dvh - 40px); max-height: none;
	background: var(--back); color: var(--text); box-shadow: 0 8px 40px #0005; overflow: hidden; }
dialog[open] { display: flex; flex-direction: column; }
:host([data-left]) dialog { inset: auto auto 20px 20px; }
header { display: flex; align-items: center; gap: 4px; padding: 10px 14px; background: var(--accent); color: var(--on); }
h2 { flex: 1; margin: 0; font-size: 16px; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
header button { width: 36px; height: 36px; border-radius: 8px; }
.log { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 14px; display: flex; flex-direction: column; gap: 10px; }
.log:focus-visible { outline-offset: -3px; }
.message { max-width: 92%; align-self: flex-start; }
.text { padding: 8px 12px; border-radius: var(--radius); background: var(--soft); overflow-wrap: anywhere; }
.user { align-self: flex-end; }
.user .text { background: var(--accent); color: var(--on); white-space: pre-wrap; }
.text > :first-child, li > :first-child, blockquote > :first-child { margin-top: 0; }
.text > :last-child, li > :last-child, blockquote > :last-child { margin-bottom: 0; }
p, ul, ol, pre, blockquote, .wide { margin: 8px 0; }
ul, ol { padding-inline-start: 24px; }
a { color: inherit; text-decoration: underline; }
pre, .wide { overflow-x: auto; }
code { font: 13px/1.5 ui-monospace, monospace; direction: ltr; unicode-bidi: isolate; }
pre { padding: 8px; border-radius: 8px; border: 1px solid var(--line); text-align: left; direction: ltr; }
blockquote { border-inline-start: 3px solid var(--line); padding-inline-start: 10px; margin-inline: 0; }
hr { border: 0; border-top: 1px solid var(--line); }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: 3px 8px; text-align: start; }
details, .notes { font-size: 13px; margin-top: 4px; color: var(--dim); }
summary { cursor: pointer; width: fit-content; }
details ol { margin: 4px 0; }
q { display: block; quotes: none; border-inline-start: 3px solid var(--line); padding-inline-start: 8px; overflow-wrap: anywhere; }
.notes { display: flex; gap: 2px; }
.notes button { width: 30px; height: 30px; border-radius: 8px; }
.notes svg { width: 17px; height: 17px; }
.notes [aria-pressed=true] { background: var(--soft); color: var(--text); }
.notes [aria-pressed=true] svg { fill: currentColor; fill-opacity: .35; }
.suggestions { display: flex; flex-wrap: wrap; gap: 6px; list-style: none; margin: 0; padding: 0; }
.suggestions button { border: 1px solid var(--line); border-radius: 16px; padding: 5px 12px; text-align: start; overflow-wrap: anywhere; }
.state { padding: 0 14px 6px; font-size: 13px; color: var(--dim); }
form { display: flex; gap: 8px; align-items: flex-end; padding: 10px; padding-bottom: max(10px, env(safe-area-inset-bottom)); border-top: 1px solid var(--line); }
textarea { flex: 1; min-width: 0; resize: none; font-size: 16px; line-height: 1.4; height: 42px; max-height: 130px; padding: 9px 12px; border: 1px solid var(--dim);
	border-radius: 12px; background: var(--back); }
textarea::placeholder { color: var(--dim); opacity: 1; }
.send { width: 42px; height: 42px; border-radius: 12px; background: var(--accent); color: var(--on); }
@media (max-width: 480px) {
	dialog, :host([data-left]) dialog { inset: 0; width: 100vw; height: 100vh; height: 100dvh; border: 0; border-radius: 0; }
}
@media (forced-colors: active) { .chat, .send, .user .text { border: 1px solid; } }
@media print { :host { display: none !important; } }
@media (prefers-reduced-motion: no-preference) { .busy { animation: busy 1.2s ease-in-out infinite alternate; } }
@keyframes busy { from { opacity: 1; } to { opacity: .45; } }
`;

const host = el("section", { lang: language, dir: direction, id: `millrace-${bot}` });
const root = host.attachShadow({ mode: "open" });
const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLE);
root.adoptedStyleSheets = [sheet];

/* Black or white, by contrast (WCAG 2, relative luminance). */
function onAccent() {
	const [r, g, b] = getComputedStyle(launcher).backgroundColor.match(/[\d.]+/g).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
	return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

/* theme: color, scheme ("light", "dark", "auto"), position ("left", "right"), radius (px), font; what else it has is a page's own. */
function dress({ color, scheme, position, radius, font }) {
	const system = matchMedia("(prefers-color-scheme: dark)");
	const shade = () => host.toggleAttribute("data-dark", scheme === "dark" || (scheme === "auto" && system.matches));
	const set = (name, property, value) => { if (CSS.supports(property, value)) host.style.setProperty(name, value); };
	system.addEventListener("change", shade);
	shade();
	host.toggleAttribute("data-left", (position ?? (direction === "rtl" ? "left" : "right")) === "left");
	set("--accent", "background-color", /^#|^[a-z]+$|^(?:rgb|hsl)\(/i.test(color) ? color : "");
	set("--radius", "border-radius", `${Number(radius)}px`);
	set("--font", "font-family", String(font ?? ""));
	host.style.setProperty("--on", onAccent());
}

/* -- what is kept, and the server */

/* Pages may be without storage; then a conversation ends with its page. */
const kept = {
	get(where, key) { try { return where()[`millrace ${bot} ${key}`]; } catch { return undefined; } },
	set(where, key, value) {
		try {
			if (value === undefined)
				delete where()[`millrace ${bot} ${key}`];
			else
				where()[`millrace ${bot} ${key}`] = value;
		} catch { /* as said */ }
	},
};
const always = () => localStorage, thisTab = () => sessionStorage;
const keptSession = () => kept.get(always, "session")?.match(/^[\da-f-]{36}$/)?.[0];
let session = keptSession();
const keepSession = (id) => kept.set(always, "session", session = id);

const pause = (ms) => new Promise((resolve) => {
	setTimeout(resolve, ms);
	addEventListener("online", resolve, { once: true });
});

/* Without cookies: a visitor is known by the session alone. An error reply throws, with its status. */
async function call(path, json, headers = {}) {
	const reply = await fetch(`${server}/api/${path}`, { credentials: "omit", cache: "no-store", ...(json ?
		{ method: "POST", body: JSON.stringify(json), headers: { "Content-Type": "application/json", ...headers } } : { headers }) });
	if (!reply.ok)
		throw Object.assign(new Error(`${reply.status} of ${path}`), { status: reply.status });
	return reply;
}
const widget = (path, ...more) => call(`chat/widget/${bot}/${path}`, ...more);

/* The events of a reply: { event, data, id } each (HTML, 9.2.6; the server's lines end with LF). */
async function* eventsOf(reply) {
	const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
	for (let rest = "", part = await reader.read(); !part.done; part = await reader.read()) {
		const frames = (rest + part.value).split("\n\n");
		rest = frames.pop();
		for (const frame of frames)
			yield Object.fromEntries(frame.split("\n").map((line) => line.match(/^([a-z]+): ?(.*)$/)?.slice(1)).filter(Boolean));
	}
}

/* -- the conversation */

const launcher = button("chat", t.open, { "aria-haspopup": "dialog" });
const title = el("h2", { id: "title", dir: "auto" });
const anew = button("anew", t.anew), closer = button("close", t.close);
const log = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": t.messages, tabindex: "0" });
const state = el("div", { class: "state", "aria-hidden": "true", hidden: "" });
/* What a screen reader says by itself: not each word. */
const said = el("div", { class: "said", role: "status" });
const input = el("textarea", { rows: "1", maxlength: "4000", placeholder: t.write, "aria-label": t.write, enterkeyhint: "send", dir: direction });
const form = el("form", {}, input, el("button", { class: "send", "aria-label": t.send, title: t.send }, icon(ICONS.send)));
const dialog = el("dialog", { "aria-labelledby": "title" }, el("header", {}, title, anew, closer), log, state, said, form);
root.append(launcher, dialog);

let config, busy = false, isLoaded = false;

function show(text) {
	state.hidden = !text;
	state.classList.toggle("busy", busy);
	state.textContent = said.textContent = text;
}

/* Keeps the end in sight for whoever was there before `change`. */
function atEnd(change) {
	const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
	change();
	if (follows)
		log.scrollTop = log.scrollHeight;
}

/* A message without text. */
function addMessage(role) {
	const text = el("div", { class: "text", dir: "auto" });
	const message = el("div", { class: `message ${role}` }, el("span", { class: "said" }, `${role === "user" ? t.you : config.name}: `), text);
	atEnd(() => log.append(message));
	return { message, text };
}

function addUser(content) {
	const { message, text } = addMessage("user");
	text.textContent = content;
	log.scrollTop = log.scrollHeight;
	return message;
}

function draw({ text }, content) {
	atEnd(() => text.replaceChildren(...markdown(content.replaceAll("\r", "").split("\n"), el("div")).childNodes));
}

const shorten = (text) => (text.length > 300 ? `${text.slice(0, 300)}…` : text);
const placed = ({ page, mark }) => page || mark.startsWith("slide") ? t.page.replace("#", page || parseInt(mark.slice(6)))
    : mark.replace("paragraph", "¶").replace(/^(sheet|rows) |^[a-z]+$/, "").replace(" to ", "–");
const sourcesOf = (sources) => el("details", {}, el("summary", {}, `${t.sources} (${sources.length})`),
	el("ol", {}, ...sources.map((s, i) => el("li", { value: s.n ?? i + 1, dir: "auto" },
		`${s.documentName}, ${placed(s)}`, el("q", { dir: "auto" }, shorten(s.sentence ?? s.text))))));

function thumbs(id, given) {
	const both = ["up", "down"].map((rating) => {
		const thumb = button(rating, t[rating], { "aria-pressed": String(rating === given) });
		thumb.addEventListener("click", () => call(`messages/${id}/feedback`, { rating, sessionId: session })
			.then(() => both.forEach((b) => b.setAttribute("aria-pressed", String(b === thumb))), () => show(t.failed)));
		return thumb;
	});
	return el("div", { class: "notes" }, ...both);
}

/* What stands below an answer that is whole. */
function finish({ message }, id, sources, rating) {
	atEnd(() => message.append(...(sources?.length > 0 ? [sourcesOf(sources)] : []), ...(id ? [thumbs(id, rating)] : [])));
}

/* Without a conversation. */
function begin(welcome) {
	log.replaceChildren();
	if (welcome)
		draw(addMessage("bot"), welcome);
	const list = el("ul", { class: "suggestions", "aria-label": t.suggestions }, ...config.suggestedQuestions.map((question) => {
		const choice = el("button", { type: "button", dir: "auto" }, question);
		choice.addEventListener("click", () => { void ask(question); input.focus(); });
		return el("li", {}, choice);
	}));
	if (config.suggestedQuestions.length > 0)
		log.append(list);
}

/*
 * Follows an answer to its end, whatever happens to connections meanwhile. `post` asks for it, with
 * an Idempotency-Key; once that was heard, and without `post`, the session's stream goes on after
 * the last event.
 */
async function follow(post) {
	const answer = addMessage("bot");
	let content = "", after = 0, wait = 0, isDue = false, isHeard = false;
	answer.message.hidden = true;
	const redraw = () => { isDue = false; if (!isHeard) draw(answer, content); };
	for (let tries = 0; ; tries++) {
		try {
			const reply = await (post ? post() : widget(`session/${session}/stream?after=${after}`, undefined, { Accept: "text/event-stream" }));
			post = undefined;
			if (reply.status === 204)
				return void await load();
			show(t.answering);
			for await (const { event, data, id, retry } of eventsOf(reply)) {
				wait = Number(retry ?? 0);
				if (!event)
					continue;
				const json = JSON.parse(data);
				[after, tries] = [id ?? after, 0];
				if (event === "token") {
					content += json.content;
					answer.message.hidden = false;
					isDue ||= requestAnimationFrame(redraw) > 0;
				} else if (event === "done") {
					isHeard = true;
					answer.message.hidden = false;
					draw(answer, json.content ?? content);
					finish(answer, json.messageId, json.sources);
					show("");
					said.textContent = `${config.name}: ${answer.text.textContent}`;
					return;
				} else if (event === "error") {
					throw Object.assign(new Error(json.code), { status: 400 });
				}
			}
		} catch (e) {
			/* a status is a refusal; all else may be better soon */
			if ((e.status && e.status < 500) || tries >= 10) {
				if (!content)
					answer.message.remove();
				throw e;
			}
		}
		show(t.lost);
		await pause(Math.max(wait, Math.min(1000 * 2 ** tries, 15000)));
	}
}

/* One at a time; says what went wrong. */
async function occupied(work) {
	if (busy)
		return;
	busy = true;
	try {
		await work();
		busy = false;
	} catch (e) {
		console.warn(`Millrace: ${e.message}`);
		busy = false;
		show(e.status === 429 ? t.busy : t.failed);
	}
}

const key = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

const ask = (message) => occupied(async () => {
	root.querySelector(".suggestions")?.remove();
	const mine = addUser(message);
	show(t.answering);
	let isSent = false, once = key();
	const send = async () => {
		/* another tab's */
		session ??= keptSession();
		if (!session)
			keepSession((await (await widget("session", {})).json()).sessionId);
		const reply = await widget("message", { sessionId: session, message }, { Accept: "text/event-stream", "Idempotency-Key": once });
		isSent = true;
		return reply;
	};
	try {
		await follow(() => send().catch((e) => {
			if (e.status !== 404 || !session)
				throw e;
			/* the session has gone, as one does in which nothing was said for a day */
			keepSession(undefined);
			once = key();
			return send();
		}));
	} catch (e) {
		if (!isSent) {
			mine.remove();
			input.value ||= message;
			fit();
		}
		throw e;
	}
});

/* What was said before, and the answer under way. */
async function load() {
	isLoaded = true;
	if (!session)
		return begin(config.welcomeMessage);
	let history;
	try {
		history = await (await widget(`session/${session}`)).json();
	} catch (e) {
		if (e.status === 404) {
			keepSession(undefined);
			return begin(config.welcomeMessage);
		}
		isLoaded = false;
		throw e;
	}
	if (history.messages.length === 0)
		return begin(history.welcomeMessage);
	log.replaceChildren();
	show("");
	for (const { id, role, content, sources, rating } of history.messages) {
		if (role === "user") {
			addUser(content);
		} else {
			const answer = addMessage("bot");
			draw(answer, content);
			finish(answer, id, sources, rating);
		}
	}
	log.scrollTop = log.scrollHeight;
	if (history.answering)
		await follow();
}

/* -- opening, closing, writing */

/* Where nobody asked for it, the page keeps the focus. */
function open(isAsked) {
	/* a dialog that fills the screen is modal: what is behind it is out of reach */
	if (matchMedia("(max-width: 480px)").matches)
		dialog.showModal();
	else
		dialog.show();
	launcher.hidden = true;
	kept.set(thisTab, "open", "1");
	if (isAsked)
		input.focus();
	else
		root.activeElement?.blur();
	if (!isLoaded)
		void occupied(load);
}

dialog.addEventListener("close", () => {
	launcher.hidden = false;
	kept.set(thisTab, "open", undefined);
	launcher.focus();
});
/* what the page does with keys is not meant when somebody writes here */
for (const name of ["keydown", "keypress", "keyup"])
	dialog.addEventListener(name, (e) => e.stopPropagation());
dialog.addEventListener("keydown", (e) => {
	if (e.key === "Escape" && !e.isComposing)
		dialog.close();
});
launcher.addEventListener("click", () => open(true));
closer.addEventListener("click", () => dialog.close());
anew.addEventListener("click", () => {
	if (busy)
		return;
	keepSession(undefined);
	show("");
	begin(config.welcomeMessage);
	input.focus();
});

const fit = () => {
	/* without text, that of the placeholder */
	input.dir = input.value ? "auto" : direction;
	input.style.height = "auto";
	input.style.height = `${input.scrollHeight + 2}px`;
};
input.addEventListener("input", fit);
input.addEventListener("keydown", (e) => {
	/* 229: Safari's Enter that ends a composition */
	if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.keyCode !== 229) {
		e.preventDefault();
		form.requestSubmit();
	}
});
form.addEventListener("submit", (e) => {
	e.preventDefault();
	const text = input.value.trim();
	if (!text || busy)
		return;
	input.value = "";
	fit();
	void ask(text);
	input.focus();
});

async function start() {
	const reply = await call(`chatbots/widget-config/${encodeURIComponent(bot)}`);
	config = await reply.json();
	/* the script may be there twice */
	if (document.getElementById(host.id))
		return;
	title.textContent = script.dataset.title ?? config.name;
	host.setAttribute("aria-label", title.textContent);
	document.body.append(host);
	dress(config.theme);
	if (kept.get(thisTab, "open") || "open" in script.dataset)
		open(false);
}
/* Browsers send "null" for a frame that is sandboxed, whatever its address is. */
const remedy = () => self.origin === "null" ? "This page has no origin that could be allowed: it is a file, or its frame is sandboxed without allow-same-origin."
	: "Its owner allows an origin by its setting allowedOrigins.";
const begins = () => start().catch((e) => console.warn(`Millrace: no chatbot ${bot} for pages of ${self.origin}: ${e.message}. ${remedy()}`));
if (document.body)
	void begins();
else
	addEventListener("DOMContentLoaded", begins, { once: true });
})();
