/*
 * Telegram: an account and a chat with the bot find each other by a code in a link of t.me, which
 * is made of a random id and a key of the workers', so that it can be shown again as a QR code and
 * is in no row of the database.
 */
#include <qrencode.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/lenient.h>

#include "handlers/integrations/integrations.h"
#include "sql_api.h"

#define CODE_BYTES 24 /* of the MAC */
#define QR_BORDER 4 /* modules, as ISO/IEC 18004 asks */

static struct str
code_of(struct arena *a, const struct uuid *id)
{
	struct str whole = mac(a, "telegram code", uuid_str(id));

	return base64url(a, (struct str){ whole.p, CODE_BYTES });
}

static struct str
bot_url(struct req *r, const struct uuid *id, struct str username)
{
	return arena_printf(
	    r->a, "https://t.me/%.*s?start=%.*s", S_ARG(username), S_ARG(code_of(r->a, id)));
}

static enum err
connect_stored(struct req *r)
{
	const struct uuid *id = r->state;
	struct str bot = row_text(r, 0, 0);
	struct buf b = { .a = r->a };

	if (!bot.p)
		return refuse(r, ERR_CONFLICT, "Telegram is not set up here: TELEGRAM_BOT_TOKEN.");
	if (bot.n == 0)
		return refuse(r, ERR_OVERLOADED, "Telegram does not work at the moment.");
	buf_put(&b, S("{\"botUrl\":"));
	buf_json(&b, bot_url(r, id, bot));
	buf_put(&b, S("}"));
	return reply_json(r, 200, buf_str(&b));
}

/* POST /api/telegram/connect */
enum err
telegram_connect(struct req *r)
{
	struct uuid *id = arena_alloc(r->a, sizeof(*id));

	*id = random_uuid();
	r->state = id;
	return sql_telegram_connect(r, connect_stored, *id, sha256(r->a, code_of(r->a, id)));
}

/* GET /api/telegram/connect */
enum err
telegram_connected(struct req *r)
{
	return sql_telegram_connected(r, res_one);
}

/* DELETE /api/telegram/connect */
enum err
telegram_disconnect(struct req *r)
{
	return sql_telegram_disconnect(r, res_empty);
}

/* A path of the dark modules' runs, row by row. */
static struct str
qr_svg(struct arena *a, const QRcode *qr)
{
	int n = qr->width, all = n + 2 * QR_BORDER;
	struct buf b = { .a = a };

	buf_printf(&b,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
	    "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path d=\"",
	    all, all, all, all);
	for (int y = 0; y < n; y++)
		for (int x = 0, to; x < n; x = to) {
			bool dark = qr->data[y * n + x] & 1;

			for (to = x + 1; to < n && (qr->data[y * n + to] & 1) == dark; to++)
				continue;
			if (dark)
				buf_printf(&b, "M%d %dh%dv1h-%dz", x + QR_BORDER, y + QR_BORDER,
				    to - x, to - x);
		}
	buf_put(&b, S("\"/></svg>\n"));
	return buf_str(&b);
}

static void
qr_free(void *qr)
{
	QRcode_free(qr);
}

static enum err
qr_known(struct req *r)
{
	struct uuid id;
	QRcode *qr;

	if (row_count(r) == 0 || row_text(r, 0, 1).n == 0)
		return refuse(r, ERR_NOT_FOUND,
		    "There is no link to draw: POST /api/telegram/connect makes one.");
	id = row_uuid(r, 0, 0);
	qr = QRcode_encodeString8bit(bot_url(r, &id, row_text(r, 0, 1)).p, 0, QR_ECLEVEL_M);
	if (!qr)
		return ERR_INTERNAL;
	arena_defer(r->a, qr_free, qr);
	reply_header(r, "Cache-Control", S("no-store"));
	return reply_body(r, 200, "image/svg+xml", qr_svg(r->a, qr));
}

/* GET /api/telegram/connect/qr.svg: the link of the last POST, until it is used or has expired. */
enum err
telegram_qr(struct req *r)
{
	return sql_telegram_code(r, qr_known);
}

static enum err
update_accepted(struct req *r)
{
	return reply_json(r, 200, S("{\"ok\":true}"));
}

/* POST /api/telegram/webhook: an update of the Bot API, known by the secret that its webhook has.
 */
enum err
telegram_webhook(struct req *r)
{
	struct str secret = req_param(r, "HTTP_X_TELEGRAM_BOT_API_SECRET_TOKEN");
	json_object *update;
	enum err e;

	if (!secret.p)
		return refuse(r, ERR_UNAUTHORIZED,
		    "X-Telegram-Bot-Api-Secret-Token is missing: only Telegram calls this.");
	/* What is refused comes again, before all that is behind it. */
	r->body = json_mend(r->a, r->body);
	if ((e = body_object(r, &update)) != ERR_OK)
		return e;
	return sql_telegram_update(r, update_accepted, sha256(r->a, secret), r->body,
	    config_credits_required(), config()->queue_max);
}
