/*
 * Every handler and every field table, for the route table (handlers/routes.c). A handler answers its own route, or returns the err that
 * becomes the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_H
#define HANDLERS_H

#include <millrace/fields.h>

#include "fcgi/request.h"

/* auth.c */
extern const struct field_table auth_register_body, auth_login_body;
enum err auth_register(struct req *r);
enum err auth_login(struct req *r);
enum err auth_logout(struct req *r);
enum err auth_me(struct req *r);

/* 8 to 1024 bytes. */
bool auth_is_password(struct str s);
/* Checks a password by the account's address or name, slowed after wrong ones; `open` then opens the session and answers. `hash` is
   what the password matched: where the account has another by then, the answer is auth_refused. */
enum err auth_sign_in(struct req *r, struct str name, struct str password,
    enum err (*open)(struct req *r, struct uuid user, struct str name, struct str hash));
enum err auth_refused(struct req *r);
/* The network that the caller's wrong passwords count for; absent where it has none. */
struct str auth_client(struct req *r);
/* The refusal, with Retry-After, where the first row's `column` or the one behind it says that the account or the address has to
   wait so many seconds after wrong passwords; else ERR_OK. */
MUST_CHECK enum err auth_has_to_wait(struct req *r, int column);
/* Ends what the caller came by: the session, or an external token until it would end by itself. An API key: ERR_BAD_REQUEST. */
enum err auth_sign_out(struct req *r, answer_fn *answer);

/* session.c */
extern const struct field_table session_login_body, session_register_body;
enum err session_login(struct req *r);
enum err session_logout(struct req *r);
enum err session_register(struct req *r);

/* Letters, digits and . _ - of ASCII: never an address, so nobody can take another's as a name. */
bool session_is_username(struct str s);

/* A session's two cookies; empty ones for 0 seconds clear them. */
void session_set_cookies(struct req *r, struct str token, struct str csrf, int64_t seconds);

/* oauth.c */
extern const struct field_table oauth_start_query, oauth_callback_query;
enum err oauth_start(struct req *r);
enum err oauth_callback(struct req *r);
enum err oauth_disconnect(struct req *r);

/* account.c */
extern const struct field_table account_make_body, account_change_body, account_search_query;
enum err account_show(struct req *r);
enum err account_make(struct req *r);
enum err account_find(struct req *r);
enum err account_change(struct req *r);
enum err account_erase(struct req *r);
enum err account_search(struct req *r);
enum err account_export(struct req *r);

/* reset.c */
extern const struct field_table reset_ask_body, reset_confirm_body;
enum err reset_ask(struct req *r);
enum err reset_confirm(struct req *r);

/* settings.c */
enum err settings_show(struct req *r);
enum err settings_merge(struct req *r);
enum err settings_new_key(struct req *r);

/* notifications.c */
extern const struct field_table notification_list_query;
enum err notification_list(struct req *r);
enum err notification_show(struct req *r);
enum err notification_read(struct req *r);
enum err notification_read_all(struct req *r);
enum err notification_delete(struct req *r);

/* vault.c */
extern const struct field_table vault_put_body, vault_delete_query;
enum err vault_list(struct req *r);
enum err vault_put(struct req *r);
enum err vault_delete(struct req *r);

/* user.c */
extern const struct field_table user_change_body;
enum err user_show(struct req *r);
enum err user_change(struct req *r);

/* Is it in the IANA database? */
bool user_is_timezone(struct str s);

/* chat.c */
extern const struct field_table chat_body;
enum err chat_post(struct req *r);

/* runs.c */
extern const struct field_table run_stream_query;
enum err run_show(struct req *r);
enum err run_stream(struct req *r);
enum err run_cancel(struct req *r);

/* conversations.c */
extern const struct field_table conversation_body;
enum err conversation_list(struct req *r);
enum err conversation_show(struct req *r);
enum err conversation_rename(struct req *r);
enum err conversation_delete(struct req *r);

/* artifacts.c */
enum err artifact_show(struct req *r);

/* documents.c */
extern const struct field_table document_body, document_upload_query, document_search_query;
enum err document_upload(struct req *r);
enum err document_list(struct req *r);
enum err document_show(struct req *r);
enum err document_delete(struct req *r);
enum err document_reindex(struct req *r);
enum err document_search(struct req *r);

/* leads.c */
extern const struct field_table lead_create_body, lead_change_body, lead_list_query;
enum err lead_create(struct req *r);
enum err lead_list(struct req *r);
enum err lead_show(struct req *r);
enum err lead_change(struct req *r);
enum err lead_delete(struct req *r);

/* realtime.c */
extern const struct field_table socket_query;
enum err realtime_channel(struct req *r);
enum err realtime_socketio(struct req *r);
/* Hands a socket over whose caller turned out to be nobody. */
enum err realtime_nobody(struct req *r);

/* system.c */
enum err system_health(struct req *r);
enum err system_ready(struct req *r);
enum err system_metrics(struct req *r);
enum err system_openapi(struct req *r);

#endif
