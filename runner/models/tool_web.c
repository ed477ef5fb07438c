/* fetch_url: a page or a file of the public web, as text. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <millrace/config.h>
#include <millrace/guard.h>
#include <millrace/log.h>

#include "runner/knowledge/extractor.h"
#include "runner/models/tools.h"
#include "runner/outside/page.h"
#include "runner/queue/slots.h"

/* A page is held in memory, and read by a process of its own. */
static struct slots fetching = SLOTS(2, 4, 0);

struct fetch_in {
	struct str url;
};

static const struct field fetch_fields[] = {
	F_CHECKED(struct fetch_in, url, 1, 2048, REQUIRED, guard_is_url,
	    "must be an http or https address that is not a private one"),
};

static enum err
read_page(struct job *j, struct tool_call *call, const struct page *p, bool *failed)
{
	struct extract_how how = { .name = page_file_name(p->content_type, p->final_url),
		.charset = page_charset(j->a, p->content_type),
		.page = true };
	struct extracted x = { 0 };
	enum extract_end end = extract(&j->stop, p->file, &how, &x);

	*failed = end != EXTRACT_TEXT;
	if (end == EXTRACT_TEXT)
		call->output = tool_cut(j->a, (struct str){ x.text, x.n }, "page");
	else if (end == EXTRACT_UNREADABLE)
		call->output = arena_printf(j->a, "It could not be read: %s", x.why);
	else
		call->output = S("It could not be read.");
	if (end == EXTRACT_BROKEN)
		log_error("extractor: failed", "run", j->run.text, "error", x.why);
	free(x.text);
	return end == EXTRACT_STOPPED ? ERR_CONFLICT : ERR_OK;
}

static enum err
fetch(struct job *j, struct tool_call *call, struct str url, int file, bool *failed)
{
	struct page p = { .url = url,
		.etag_before = "",
		.last_modified_before = "",
		.file = file,
		.bytes_max = config()->upload_max };

	switch (page_fetch(&j->stop, j->a, &p)) {
	case PAGE_FETCHED:
		return read_page(j, call, &p, failed);
	case PAGE_STOPPED:
		return ERR_CONFLICT;
	case PAGE_SAME:
	case PAGE_REFUSED:
	case PAGE_LATER:
	default:
		*failed = true;
		call->output = arena_printf(j->a, "It could not be fetched: %s", p.why);
		return ERR_OK;
	}
}

enum err
tool_fetch_url(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct fetch_in in = { 0 };
	struct slot mine = { .of = &fetching, .owner = j->owner };
	enum err e = ERR_CONFLICT;
	int file;

	(void)found;
	if ((*failed = !tool_bind(j, call, fetch_fields, 1, &in)))
		return ERR_OK;
	if ((file = memfd_create("page", MFD_CLOEXEC)) == -1)
		return ERR_INTERNAL;
	if (slot_acquire(&mine, &j->stop)) {
		e = fetch(j, call, in.url, file, failed);
		slot_release(&mine);
	}
	close(file);
	return e;
}
