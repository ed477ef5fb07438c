#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <millrace/config.h>
#include <millrace/json.h>

#include "runner/outside/engine.h"
#include "runner/outside/http.h"

#define CALL_MS 20000
#define STOP_S 3 /* between SIGTERM and SIGKILL */
#define TRIES 6 /* while the engine is not there: some 5 s */
#define REMOVAL_TRIES 10 /* while the engine removes something already */
#define REMOVAL_MS 1000
#define REPLY_MAX ((size_t)16 * 1024 * 1024)
#define MIB ((int64_t)1024 * 1024)
#define LABEL "millrace"
#define LABEL_OWNER "millrace.owner"
#define SHUT "rw,nosuid,nodev,mode=755,size=65536"

/*
 * The container's first process. It waits for children, as whoever has that number must, and ends
 * by SIGTERM, which is nothing to it otherwise.
 */
#define INIT "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"

void
engine_name(const struct uuid *owner, char name[ENGINE_NAME_MAX])
{
	snprintf(name, ENGINE_NAME_MAX, "millrace-%s", owner->text);
}

/* What the engine says is wrong. Podman's `cause` says it without what led there. */
static void
note_problem(struct engine *e, const struct http_request *q)
{
	json_object *o = NULL;
	const char *unread;
	struct str cause, message;

	if (json_parse(e->a, q->reply, &o, &unread) != ERR_OK)
		o = NULL;
	cause = json_text(o, "cause");
	message = json_text(o, "message");
	snprintf(e->why, sizeof(e->why), "%d %.*s%s%.*s", q->status, S_ARG(message),
	    cause.n > 0 ? ": " : "", S_ARG(cause));
}

static enum engine_end
end_of(struct engine *e, enum http_end end, const struct http_request *q)
{
	if (end == HTTP_STOPPED)
		return ENGINE_STOPPED;
	if (end == HTTP_ENDED)
		return ENGINE_ENDED;
	if (end != HTTP_DONE) {
		bool is_shut = access(q->socket, R_OK | W_OK) != 0;

		snprintf(e->why, sizeof(e->why), "%s: %s", q->socket,
		    is_shut ? strerror(errno) : q->error);
		return ENGINE_AWAY;
	}
	if ((q->status >= 200 && q->status < 300) || q->status == 304)
		return ENGINE_DONE;
	note_problem(e, q);
	return q->status == 404 ? ENGINE_MISSING : ENGINE_REFUSED;
}

static void
prepare(const struct engine *e, struct http_request *q, const char *method, struct str path)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };

	*q = (struct http_request){ .method = method,
		.url = arena_printf(e->a, "http://engine%.*s", S_ARG(path)).p,
		.headers = headers,
		.socket = config()->container_socket,
		.within_ms = e->brief_ms > 0 ? e->brief_ms : CALL_MS,
		.reply_max = REPLY_MAX,
		.tries = e->brief_ms > 0 ? 1 : TRIES,
		.patience_ms = CALL_MS };
}

/* Nothing is asked twice but where the engine was not there. */
static enum engine_end
send_request(
    struct engine *e, const char *method, struct str path, struct str body, json_object **reply)
{
	struct http_request q;
	enum engine_end end;
	const char *unread;

	prepare(e, &q, method, path);
	q.body = body;
	q.idempotent = strcmp(method, "GET") == 0;
	end = end_of(e, http_call(e->stop, e->a, &q), &q);
	if (end != ENGINE_DONE || !reply)
		return end;
	if (json_parse(e->a, q.reply, reply, &unread) == ERR_OK)
		return ENGINE_DONE;
	snprintf(e->why, sizeof(e->why), "the reply to %.*s is not JSON", S_ARG(path));
	return ENGINE_AWAY;
}

/* -- containers -- */

static void
put_labels(struct buf *b, const struct engine *e, const struct uuid *owner)
{
	buf_printf(b, "\"Labels\":{\"" LABEL "\":\"%.*s\",\"" LABEL_OWNER "\":\"%s\"}",
	    S_ARG(e->installation), owner->text);
}

/* Limits of one process; without any, Podman asks for more than it may give. */
static void
put_ulimits(struct buf *b)
{
	const struct {
		const char *name;
		int64_t most;
	} limits[] = { { "nofile", 1024 }, { "nproc", 16384 }, { "core", 0 },
		{ "fsize", config()->container_disk_mib * MIB } };

	buf_put(b, S("\"Ulimits\":["));
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		buf_printf(b, "%s{\"Name\":\"%s\",\"Soft\":%lld,\"Hard\":%lld}", i > 0 ? "," : "",
		    limits[i].name, (long long)limits[i].most, (long long)limits[i].most);
	buf_put(b, S("]"));
}

/*
 * MemorySwap is memory and swap together: by itself it would be twice the memory. The first process
 * is root's, so that no command can change or end it. Its two capabilities are for commands of ours
 * beside a stranger's: they end all that runs, and measure directories that are shut. A stranger's
 * have none, and no-new-privileges keeps it so. Podman would add directories in memory without a
 * bound.
 */
static struct str
create_body(const struct engine *e, const struct uuid *owner, const char *name)
{
	const struct config *c = config();
	long long memory = (long long)(c->container_memory_mib * MIB);
	struct buf b = { .a = e->a };

	buf_put(&b, S("{\"Image\":"));
	buf_json(&b, str_from(c->container_image));
	buf_put(&b, S(",\"Entrypoint\":[\"/bin/sh\",\"-c\"],\"Cmd\":["));
	buf_json(&b, S(INIT));
	buf_put(&b, S("],\"User\":\"0:0\",\"WorkingDir\":\"/workspace\","
		      "\"Env\":[\"HOME=/workspace\",\"LANG=C.UTF-8\"],\"StopTimeout\":3,"));
	put_labels(&b, e, owner);
	buf_put(&b, S(",\"HostConfig\":{\"NetworkMode\":"));
	buf_json(&b, str_from(c->container_network));
	buf_printf(&b,
	    ",\"ReadonlyRootfs\":true,\"CapDrop\":[\"ALL\"],"
	    "\"CapAdd\":[\"DAC_READ_SEARCH\",\"KILL\"],"
	    "\"SecurityOpt\":[\"no-new-privileges\"],"
	    "\"Memory\":%lld,\"MemorySwap\":%lld,\"NanoCpus\":%lld,\"PidsLimit\":%lld,"
	    "\"Binds\":[\"%s:/workspace\"],\"ShmSize\":%lld,\"Tmpfs\":{"
	    "\"/run\":\"" SHUT "\",\"/var/tmp\":\"" SHUT "\","
	    "\"/tmp\":\"rw,nosuid,nodev,mode=1777,size=%lld\"},",
	    memory, memory, (long long)c->container_cpu_percent * 10000000,
	    (long long)c->container_pids, name, memory / 4, memory / 2);
	put_ulimits(&b);
	buf_put(&b, S("}}"));
	return buf_str(&b);
}

static enum engine_end
create(struct engine *e, const struct uuid *owner, const char *name)
{
	struct buf volume = { .a = e->a };
	enum engine_end end;

	buf_printf(&volume, "{\"Name\":\"%s\",", name);
	put_labels(&volume, e, owner);
	buf_put(&volume, S("}"));
	end = send_request(e, "POST", S("/volumes/create"), buf_str(&volume), NULL);
	if (end != ENGINE_DONE)
		return end;
	return send_request(e, "POST", arena_printf(e->a, "/containers/create?name=%s", name),
	    create_body(e, owner, name), NULL);
}

enum engine_end
engine_run(struct engine *e, const struct uuid *owner)
{
	char name[ENGINE_NAME_MAX];
	enum engine_end end = engine_remove(e, owner, true);

	engine_name(owner, name);
	if (end == ENGINE_DONE)
		end = create(e, owner, name);
	if (end == ENGINE_DONE)
		end = send_request(
		    e, "POST", arena_printf(e->a, "/containers/%s/start", name), S(""), NULL);
	return end;
}

/* Waits where it is being removed already, to which Docker says no. */
static enum engine_end
delete_container(struct engine *e, const char *name)
{
	struct str path = arena_printf(e->a, "/containers/%s?force=true", name);
	enum engine_end end;

	for (int tries = 1;; tries++) {
		end = send_request(e, "DELETE", path, (struct str){ NULL, 0 }, NULL);
		if (end != ENGINE_REFUSED || tries == REMOVAL_TRIES)
			return end;
		if (!stop_sleep(e->stop, REMOVAL_MS))
			return ENGINE_STOPPED;
	}
}

/* What is not there any more is as good as removed. */
enum engine_end
engine_remove(struct engine *e, const struct uuid *owner, bool force)
{
	char name[ENGINE_NAME_MAX];
	struct str how;
	enum engine_end end;

	engine_name(owner, name);
	how = force ? arena_printf(e->a, "/containers/%s/kill?signal=KILL", name)
		    : arena_printf(e->a, "/containers/%s/stop?t=%d", name, STOP_S);
	end = send_request(e, "POST", how, S(""), NULL);
	if (end == ENGINE_MISSING)
		return ENGINE_DONE;
	if (end == ENGINE_STOPPED || end == ENGINE_AWAY)
		return end;
	end = delete_container(e, name);
	return end == ENGINE_MISSING ? ENGINE_DONE : end;
}

enum engine_end
engine_forget(struct engine *e, const struct uuid *owner)
{
	char name[ENGINE_NAME_MAX];
	enum engine_end end;

	engine_name(owner, name);
	end = send_request(
	    e, "DELETE", arena_printf(e->a, "/volumes/%s", name), (struct str){ NULL, 0 }, NULL);
	return end == ENGINE_MISSING ? ENGINE_DONE : end;
}

/* -- lists -- */

/* Adds the owner of each object of the list; of `running` alone those in that state. */
static struct str_list
owners(struct arena *a, json_object *list, bool running)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	struct str *found = arena_alloc(a, (n + 1) * sizeof(*found));
	struct str_list out = { .p = found };
	struct uuid id;

	for (size_t i = 0; i < n; i++) {
		json_object *one = json_object_array_get_idx(list, i);
		struct str owner = json_text(json_at(one, "Labels"), LABEL_OWNER);

		if (uuid_parse(owner, &id) &&
		    (!running || str_eq(json_text(one, "State"), S("running"))))
			found[out.n++] = arena_str(a, uuid_str(&id));
	}
	return out;
}

enum engine_end
engine_look(struct engine *e, struct engine_list *out)
{
	struct str filter =
	    arena_printf(e->a, "filters=%%7B%%22label%%22%%3A%%5B%%22" LABEL "%%3D%.*s%%22%%5D%%7D",
		S_ARG(e->installation));
	json_object *list, *volumes;
	enum engine_end end;

	end = send_request(e, "GET",
	    arena_printf(e->a, "/containers/json?all=true&%.*s", S_ARG(filter)),
	    (struct str){ NULL, 0 }, &list);
	if (end == ENGINE_DONE)
		end = send_request(e, "GET", arena_printf(e->a, "/volumes?%.*s", S_ARG(filter)),
		    (struct str){ NULL, 0 }, &volumes);
	if (end != ENGINE_DONE)
		return end;
	out->running = owners(e->a, list, true);
	out->containers = owners(e->a, list, false);
	out->volumes = owners(e->a, json_at(volumes, "Volumes"), false);
	return ENGINE_DONE;
}

enum engine_end
engine_image(struct engine *e)
{
	return send_request(e, "GET",
	    arena_printf(e->a, "/images/%s/json", config()->container_image),
	    (struct str){ NULL, 0 }, NULL);
}

/* -- commands -- */

/* What does not run is a conflict to Docker, and an error of its own to Podman. */
enum engine_end
engine_exec(struct engine *e, const struct uuid *owner, enum engine_as as, struct str command,
    struct engine_exec *out)
{
	struct buf b = { .a = e->a };
	char name[ENGINE_NAME_MAX];
	json_object *reply = NULL;
	enum engine_end end;
	struct str id;

	engine_name(owner, name);
	buf_printf(&b,
	    "{\"User\":\"%s\",\"AttachStdout\":true,\"AttachStderr\":true,"
	    "\"Cmd\":[\"/bin/sh\",\"-c\",",
	    as == ENGINE_AS_ROOT ? "0:0" : "1000:1000");
	buf_json(&b, command);
	buf_put(&b, S("]}"));
	end = send_request(
	    e, "POST", arena_printf(e->a, "/containers/%s/exec", name), buf_str(&b), &reply);
	if (end == ENGINE_REFUSED)
		return ENGINE_MISSING;
	if (end != ENGINE_DONE)
		return end;
	id = json_text(reply, "Id");
	if (id.n == 0 || id.n >= sizeof(out->id)) {
		snprintf(e->why, sizeof(e->why), "a command has no id");
		return ENGINE_AWAY;
	}
	snprintf(out->id, sizeof(out->id), "%.*s", S_ARG(id));
	return ENGINE_DONE;
}

struct attached {
	struct engine_exec *x;
	struct frames frames;
	bool is_bad;
};

static enum http_want
engine_on_body(void *arg, struct str bytes)
{
	struct attached *at = arg;

	enum frames_end end = frames_feed(&at->frames, bytes, at->x->on_bytes, at->x->arg);

	at->is_bad = end == FRAMES_BAD;
	return end == FRAMES_MORE ? HTTP_MORE : HTTP_NO_MORE;
}

static bool
engine_on_tick(void *arg)
{
	struct attached *at = arg;

	return at->x->on_tick(at->x->arg);
}

enum engine_end
engine_attach(struct engine *e, struct engine_exec *x, int64_t within_ms)
{
	struct attached at = { .x = x };
	struct http_request q;
	enum engine_end end;

	prepare(e, &q, "POST", arena_printf(e->a, "/exec/%s/start", x->id));
	q.body = S("{\"Detach\":false,\"Tty\":false}");
	q.within_ms = within_ms;
	q.on_body = engine_on_body;
	q.on_tick = x->on_tick ? engine_on_tick : NULL;
	q.tick_ms = x->tick_ms;
	q.arg = &at;
	end = end_of(e, http_call(e->stop, e->a, &q), &q);
	if (!at.is_bad)
		return end;
	snprintf(e->why, sizeof(e->why), "a command's output is not in frames");
	return ENGINE_AWAY;
}

enum engine_end
engine_inspect(struct engine *e, const struct engine_exec *x, bool *runs, int64_t *status)
{
	json_object *reply = NULL;
	enum engine_end end;

	end = send_request(
	    e, "GET", arena_printf(e->a, "/exec/%s/json", x->id), (struct str){ NULL, 0 }, &reply);
	if (end != ENGINE_DONE)
		return end;
	*runs = json_object_get_boolean(json_at(reply, "Running"));
	*status = json_int(reply, "ExitCode", -1);
	return ENGINE_DONE;
}
