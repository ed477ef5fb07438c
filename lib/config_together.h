/*
 * What goes together of the settings, and what is missing beside others. Pure but for two looks at
 * the file system; any thread.
 */
#ifndef LIB_CONFIG_TOGETHER_H
#define LIB_CONFIG_TOGETHER_H

#include <millrace/config.h>

/* Says which of config()'s settings do not go together; all of them have been read. */
void config_together(config_report *report, void *arg);

#endif
