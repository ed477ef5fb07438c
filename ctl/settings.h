/*
 * Where millracectl's settings come from: the environment; then millrace.env, as the programs get
 * it; and for secrets the directory that systemd hands them out of (LoadCredential=, in
 * systemd.exec(5)). One thread.
 */
#ifndef CTL_SETTINGS_H
#define CTL_SETTINGS_H

#include <stdbool.h>

#include <millrace/arena.h>
#include <millrace/config.h>

/* Puts the file's lines into the environment. False: it has said on standard error why it cannot. A
 * file that is not there is no error where nobody has named it. */
bool settings_read(void);

/* Names the credential store's files for the secrets of `roles` that are not given otherwise.
 * False: there is a store, and it is not for this user to look into. */
bool settings_find_secrets(struct arena *a, unsigned roles);

/* Notes on the file that was read: of a name's lines one alone counts; nothing reads a line; a
 * secret is given to every program. */
void settings_notes(struct arena *a, config_report *report, void *arg);

/* Once they are loaded: where a setting's value comes from, for a person; the arena's, or constant.
 * NULL: it is the default. */
const char *settings_source(struct arena *a, const struct setting *s);

#endif
