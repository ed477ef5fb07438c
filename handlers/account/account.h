/*
 * What belongs to an account: profile, settings, API keys, vault, notifications; accounts as
 * /api/v1 has them, and invitations to make one. A handler answers its own route or returns the
 * err of the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_ACCOUNT_H
#define HANDLERS_ACCOUNT_H

#include "fcgi/request.h"

/* account.c */
extern const struct field_table account_make_body, account_change_body, account_search_query;
enum err account_show(struct req *r);
enum err account_make(struct req *r);
enum err account_find(struct req *r);
enum err account_change(struct req *r);
enum err account_erase(struct req *r);
enum err account_search(struct req *r);
/*
 * Replies 201 with the first row's object, which the database has made, and before its members
 * those in `once`: what is shown this once, and is nowhere in the database.
 */
enum err account_reply_once(struct req *r, struct str once);

/* invitations.c */
extern const struct field_table invitation_create_body;
enum err invitation_create(struct req *r);
enum err invitation_list(struct req *r);
enum err invitation_withdraw(struct req *r);

/* keys.c */
extern const struct field_table api_key_create_body;
enum err api_key_create(struct req *r);
enum err api_key_list(struct req *r);
enum err api_key_revoke(struct req *r);
/* The hash of the API key that the caller came by; absent: by something else. */
struct str api_key_of_caller(const struct req *r);

/* export.c */
enum err account_export(struct req *r);

/* user.c */
extern const struct field_table user_change_body;
enum err user_show(struct req *r);
enum err user_change(struct req *r);

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
extern const struct field_table vault_put_body, vault_put_shared_body, vault_delete_query;
enum err vault_list(struct req *r);
enum err vault_put(struct req *r);
enum err vault_put_shared(struct req *r);
enum err vault_delete(struct req *r);

#endif
