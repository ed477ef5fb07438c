/*
 * A task's parts: task.c walks through its steps, task_source.c opens what a data source names,
 * task_rows.c reads and stores its rows, task_columns.c finds what is what in them, task_keys.c
 * makes of it what is compared, and task_flow.c has that done while the database stores. All belong
 * to the job's thread, and block.
 */
#ifndef RUNNER_JOBS_TASK_H
#define RUNNER_JOBS_TASK_H

#include <pthread.h>

#include "runner/knowledge/extractor.h"
#include "runner/queue/job.h"

#define TASK_ROWS_MAX 500000
#define TASK_BYTES_MAX (INT64_C(1024) * 1024 * 1024) /* of all rows' cells */

struct task {
	struct job *j;
	struct uuid process;
	int64_t rows; /* read so far */
	int64_t bytes; /* of their cells; counted by the attempt that reads them */
	int64_t files; /* of them, as task_rows_read counts */
	size_t source, n_sources; /* which is read, from 0 */
	struct str errors; /* what could not be read, for a person; absent: nothing */
};

/* What a data source's configuration says; absent: nothing. */
struct task_said {
	struct str name, email, phone; /* names of columns */
	struct str region; /* of numbers without a country: two letters */
};

struct task_source {
	struct uuid id;
	struct str platform, resource, name;
	struct str secret, headers; /* headers_open()'s */
	struct task_said said;
};

/* --- task.c --- */

/* Tells the task's user of something about a source: `why` is a sentence, the arena's of the job.
 */
void task_note(struct task *t, const struct task_source *s, const char *why);

/* --- task_source.c --- */

/*
 * Reads all rows of a data source. True, and *why is NULL where they are stored, or says for a
 * person why not; *later: it may pass. False: the job is to end, with *o.
 */
bool task_source_read(
    struct task *t, const struct task_source *s, const char **why, bool *later, struct outcome *o);

/* --- task_rows.c --- */

/*
 * Stores all rows of a file of the source. `how` says name and charset; `document`: whose copy they
 * are, or absent. As task_source_read.
 */
bool task_rows_read(struct task *t, const struct task_source *s, struct uuid document, int file,
    const struct extract_how *how, const char **why, struct outcome *o);

/* --- task_columns.c --- */

#define TASK_COLUMNS_MAX 500 /* of a row; what comes behind them is left out */

#define TASK_COLUMNS_ALIKE 8 /* columns of numbers, or of addresses, of which each row has one */

/* Columns, from 0. A row has what the first of them that is not empty has. */
struct task_alike {
	int at[TASK_COLUMNS_ALIKE], n;
};

struct task_columns {
	int name, last_name; /* from 0; -1: there is none */
	struct task_alike email, phone;
	bool has_names; /* the row is the columns' names */
	bool is_data; /* some of it looks like an address or a number */
	int meanings; /* how many of names, addresses and numbers there are columns of */
};

/*
 * Finds them by a row: by the names that are said or in many languages, or else by what stands
 * there. False where there is none of the three.
 */
bool task_columns_find(struct arena *a, const struct str *cells, size_t n,
    const struct task_said *said, struct task_columns *out);

/* --- task_keys.c --- */

/* One row, or lead: what it has, and what that is compared as; empty: there is nothing. */
struct task_keys {
	struct str name, email, phone, region;
	struct str e164, phone_key, email_key, mailbox_key, name_key;
};

/*
 * Fills in the second half of n of them, the arena's; none of the first is longer than a cell.
 * False: the job is to end, with *o.
 */
bool task_keys_make(
    struct job *j, struct arena *a, struct task_keys *k, size_t n, struct outcome *o);

/* "Ana <ANA.silva@Straße.de>": "ana.silva@xn--strae-oqa.de"; empty where it is no address. */
struct str task_email_key(struct arena *a, struct str email);
/* Of such a key, without what its owner may add or leave out: a tag, Gmail's dots. */
struct str task_mailbox_key(struct arena *a, struct str key);
/* Words of a name, folded, in the order of the alphabet, without those of a company's legal form.
 */
struct str task_name_key(struct arena *a, struct str name);

/* --- task_flow.c --- */

#define TASK_BATCH_ROWS 8000

/* Some rows, or leads, on their way into the database. */
struct task_batch {
	struct arena *a; /* what is in it is this arena's */
	/* Of rows: their numbers and cells; of leads: their ids, and when they changed */
	struct str *ids, *more;
	struct task_keys *k;
	size_t n; /* up to TASK_BATCH_ROWS of each */
	size_t bytes; /* of rows' cells */
	int64_t first, file; /* of rows: how many were before these, and which file's they are */

	/* task_flow.c's: the thread that makes the keys has the batch for its own meanwhile */
	struct job *j;
	pthread_t thread;
	bool runs;
	bool good; /* the keys were made; else the job is to end, with o */
	struct outcome o;
};

/* What a statement takes of a batch's keys. */
struct task_lists {
	struct str_list ids, more, e164, phone, email, mailbox, name;
};

/*
 * Batches, one after the other: while one is filled, keys are made of the one before, in a thread,
 * since the processor's time that libphonenumber takes is not the database's.
 */
struct task_flow {
	struct job *j;
	/* Stores a batch, which has one or more. False: the job is to end, with *o. */
	bool (*store)(
	    void *arg, const struct task_batch *b, const struct task_lists *l, struct outcome *o);
	void *arg;
	struct task_batch both[2];
	size_t at; /* which of them is filled */
};

/* With two empty batches; j, store and arg are set. task_flow_end() frees what it takes. */
void task_flow_begin(struct task_flow *f);
/* The one that is to be filled. */
struct task_batch *task_flow_batch(struct task_flow *f);
/*
 * It is filled: its keys begin to be made, and what was before it is stored. False: the job is to
 * end, with *o.
 */
bool task_flow_next(struct task_flow *f, struct outcome *o);
/* After all: stores what is left, but where `good` is false. As task_flow_next; also after it. */
bool task_flow_end(struct task_flow *f, bool good, struct outcome *o);

#endif
