/* millracectl streamd: replace the streaming daemon without ending a stream. */
#include "ctl.h"

#include <unistd.h>

#include <millrace/json.h>
#include "streamd/handover/wire.h"

/* Longer than streamd itself waits for its successor. */
#define PATIENCE_S 30

int
streamd_handover_run(struct ctl *c)
{
	int socket = wire_connect(), passed = -1, status = CTL_FAILED;
	struct str text;
	json_object *o = NULL;
	const char *why;

	if (socket < 0)
		return ctl_fail("no streamd listens at %s.", wire_path(c->a));
	wire_set_timeout(socket, PATIENCE_S);
	if (!wire_send(socket, S("{\"handover\":true}"), -1) ||
	    !wire_receive(socket, c->a, &text, &passed) ||
	    json_parse(c->a, text, &o, &why) != ERR_OK) {
		(void)ctl_fail("streamd did not answer; its log says why.");
	} else if (json_at(o, "ok")) {
		puts("A new streamd has taken over.");
		status = CTL_OK;
	} else {
		(void)ctl_fail("%s", arena_cstr(c->a, json_text(o, "error")));
	}
	close(socket);
	return status;
}
