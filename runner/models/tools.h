/* The tools that a model may call. tools.c has those of files; tool_web.c, tool_leads.c,
 * tool_command.c others. */
#ifndef RUNNER_MODELS_TOOLS_H
#define RUNNER_MODELS_TOOLS_H

#include <millrace/tool_list.h>

#include "runner/models/provider.h"

struct job;

#define TOOLS_CHAT \
	((unsigned)(TOOL_SEARCH_DOCUMENTS | TOOL_WRITE_FILE | TOOL_READ_FILE | TOOL_RUN_COMMAND))

#define TOOL_READ_MOST 24000 /* characters of a file that a model is shown */

/* The given tools' description in OpenAI's "tools" format, a JSON array; the arena's. */
const char *tools_schema(struct arena *a, unsigned given);
/* Of those given the ones that this server has: commands need a container engine. */
unsigned tools_there(unsigned given);
/* Those of these names that it has; names of others are dropped. */
unsigned tools_named(struct str_list names);

/*
 * Does what a call asks and puts what the model is told into call->output (the job's arena's);
 * *failed says whether that is an error (a wrong name or argument, or a tool that was not given:
 * the model is told and may do better). Passages found are added to *found. An enum err only for
 * what ends the job.
 */
MUST_CHECK enum err tool_run(
    struct job *j, unsigned given, struct tool_call *call, struct passages *found, bool *failed);

/* -- for the tools -- */

/* Fills *into from the arguments; else tells the model what is wrong with them. */
bool tool_bind(
    struct job *j, struct tool_call *call, const struct field *fields, size_t n, void *into);
/* The beginning of a text, TOOL_READ_MOST bytes in whole characters; `what` it is. The arena's. */
struct str tool_cut(struct arena *a, struct str text, const char *what);
enum err tool_fetch_url(
    struct job *j, struct tool_call *call, struct passages *found, bool *failed);
enum err tool_run_command(
    struct job *j, struct tool_call *call, struct passages *found, bool *failed);
enum err tool_search_leads(
    struct job *j, struct tool_call *call, struct passages *found, bool *failed);
/* These two only take what they are given: who has called reads it in the arguments. */
enum err tool_rank_leads(
    struct job *j, struct tool_call *call, struct passages *found, bool *failed);
enum err tool_rate_lead(
    struct job *j, struct tool_call *call, struct passages *found, bool *failed);
/*
 * What a call of these has reported: [{id, score, reasons}, …], or tool_rating_json's; absent where
 * it is another tool's, or was wrong.
 */
struct str tool_report(struct job *j, struct tool_call call);
struct str tool_rating_json(
    struct arena *a, int64_t score, struct str summary, struct str next_action);

#endif
