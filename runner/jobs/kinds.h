/*
 * The kinds of job: one table, one function each, a file a kind. A function runs in the job's
 * thread, may block for as long as the work takes, and returns how it came out; what it needs is
 * the job's arena's.
 */
#ifndef RUNNER_JOBS_KINDS_H
#define RUNNER_JOBS_KINDS_H

#include "runner/queue/job.h"

/* A job whose kind is not here is left to a newer runner. */
extern const struct job_kind job_kinds[];

/* Walks the audit log and its checkpoints; the reply says whether they hold. */
struct outcome audit_verify_run(struct job *j);
/* Makes a call of a model for a client that speaks a vendor's format, in that format. */
struct outcome call_run(struct job *j);

/* Lets a model answer in a conversation, with its tools, and streams the answer. */
struct outcome chat_run(struct job *j);

/* Asks Google Drive or OneDrive for a user's files; the reply has them. */
struct outcome cloud_run(struct job *j);

/* Embeds a user's passages that have no vectors yet (meaning.h). */
struct outcome embed_run(struct job *j);

/* Brings a folder at Google Drive or OneDrive in step with what it is there. */
struct outcome folder_run(struct job *j);

/* Reads a file by the extractor and stores its passages. */
struct outcome ingest_run(struct job *j);

/* Sends a mail by SMTP. */
struct outcome mail_run(struct job *j);

/* Asks a server of tools what it has. */
struct outcome mcp_list_run(struct job *j);

/* Exchanges a sign-in's code for tokens (RFC 6749, 4.1.3), refreshes and revokes these. */
struct outcome oauth_run(struct job *j);

/* Makes a payment in USDC; the reply says which block has it. */
struct outcome payment_run(struct job *j);

/* Searches a user's documents; the reply has the passages that fit best. */
struct outcome search_run(struct job *j);

/* Says something in Slack, brings an answer there, or checks an app's credentials. */
struct outcome slack_run(struct job *j);

/* Makes a checkout at Stripe, reads what an event was about, or compares all with Stripe. */
struct outcome stripe_run(struct job *j);
/* Matches the rows of a process's data sources with leads. */
struct outcome task_run(struct job *j);

/* Says something in a chat with Telegram, or brings an answer or a file from there. */
struct outcome telegram_run(struct job *j);

/* Does what a tool does, for a client of the Model Context Protocol. */
struct outcome tool_call_run(struct job *j);

/* Walks through a workflow as far as it can go. */
struct outcome workflow_run(struct job *j);

#endif
