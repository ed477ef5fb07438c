/* The tools that a model may call: search_documents, write_file, read_file. */
#ifndef RUNNER_MODELS_TOOLS_H
#define RUNNER_MODELS_TOOLS_H

#include "runner/models/provider.h"

struct job;

/* Their description in OpenAI's "tools" format, a JSON array. */
extern const char tools_schema[];

/*
 * Does what a call asks and puts what the model is told into call->output (the job's arena's);
 * *failed says whether that is an error (a wrong name or argument: the model is told and may do
 * better). Passages found are added to *found. An enum err only for what ends the job.
 */
MUST_CHECK enum err tool_run(
    struct job *j, struct tool_call *call, struct passages *found, bool *failed);

#endif
