/* fcgi/match.c on a table of its own: what wins, what is refused, and what stops the boot. */
/* The table changes between cases, so it is not const here, whatever the header says. */
#define routes const_routes
#define n_routes const_n_routes
#define aliases const_aliases
#include "fcgi/route.h"
#undef routes
#undef n_routes
#undef aliases

#include "test.h"

enum err handle(struct req *r);

enum err
handle(struct req *r)
{
	(void)r;
	return ERR_OK;
}

#define ROUTE(m, pool_name, pattern)                                                             \
	{                                                                                        \
		.method = (m), .pool = (pool_name), .caller = AUTH_USER, .rate = RATE_READ,      \
		.mode = IMMEDIATE, .body_kind = BODY_NONE, .path = (pattern), .handler = handle, \
		.status = 200, .summary = "x"                                                    \
	}

#define ID "0190b3e8-8a54-7c3e-9d55-0242ac120002"

extern struct route routes[];
extern size_t n_routes;

struct route routes[] = {
	ROUTE(M_GET, "a", "/"),
	ROUTE(M_GET, "a", "/things"),
	ROUTE(M_POST, "a", "/things"),
	ROUTE(M_GET, "a", "/things/{id:uuid}"),
	ROUTE(M_DELETE, "a", "/things/{id:uuid}"),
	ROUTE(M_GET, "a", "/things/search"),
	ROUTE(M_GET, "a", "/files/{name:text}"),
	ROUTE(M_GET, "a", "/files/latest"),
	ROUTE(M_PUT, "a", "/files/{name:text}"),
	ROUTE(M_GET, "a", "/x/{a:text}/y/{b:uuid}/{c:text}"),
	ROUTE(M_GET, "a", "/{first:text}/one"),
	ROUTE(M_GET, "a", "/two/{second:text}"),
	ROUTE(M_GET, "a", "/v1/{any:text}/tasks/list"),
	ROUTE(M_GET, "a", "/agent"),
	ROUTE(M_POST, "a", "/agent/tasks/{id:uuid}"),
	ROUTE(M_GET, "a", "/agents"),
	ROUTE(M_GET, "a", "/sign/{name:text}/in/{step:text}"),
	ROUTE(M_GET, "b", "/others"),
};
size_t n_routes = sizeof(routes) / sizeof(*routes);

extern struct alias aliases[];

struct alias aliases[] = {
	{ "/v1/agent", "/agent" },
	{ "/sign/{name:text}/up", "/sign/{name:text}/in" },
	{ "/nothing/yet", "/nothing" },
	{ "/their/others", "/others" },
};
const size_t n_aliases = 4;

const struct pool pools[] = { { "a", "things" }, { "b", "others" } };
const size_t n_pools = 2;

static bool
finds(int method, const char *path, const char *pattern)
{
	struct match m = route_match("a", method, str_from(path));

	if (pattern ? m.route && strcmp(m.route->path, pattern) == 0 : !m.route)
		return true;
	printf("# %s: %s\n", path, m.route ? m.route->path : "no route");
	return false;
}

static unsigned
methods(const char *path)
{
	return route_match("a", 0, str_from(path)).methods;
}

static void
finding(void)
{
	struct match m;

	CHECK("by path and method", finds(M_GET, "/things", "/things") && finds(M_GET, "/", "/") &&
					finds(M_DELETE, "/things/" ID, "/things/{id:uuid}"));
	CHECK("with and without a slash at the end",
	    finds(M_GET, "/things/", "/things") &&
		finds(M_GET, "/things/" ID "/", "/things/{id:uuid}"));
	CHECK("but not with two", finds(M_GET, "/things//", NULL) &&
				      finds(M_GET, "//things", NULL) && finds(M_GET, "//", "/"));
	CHECK("a static part wins over a variable one, whichever comes first",
	    finds(M_GET, "/things/search", "/things/search") &&
		finds(M_GET, "/files/latest", "/files/latest") &&
		finds(M_GET, "/files/other", "/files/{name:text}"));
	CHECK("an earlier static part wins over a later one",
	    finds(M_GET, "/two/one", "/two/{second:text}"));
	CHECK("typed ids",
	    finds(M_GET, "/things/1", NULL) && finds(M_GET, "/things/" ID "0", NULL) &&
		finds(M_GET, "/things/0190B3E8-8A54-7C3E-9D55-0242AC120002", "/things/{id:uuid}"));
	CHECK("unknown paths", finds(M_GET, "/nothing", NULL) && finds(M_GET, "", NULL) &&
				   finds(M_GET, "things", NULL) &&
				   finds(M_GET, "/things/" ID "/x", NULL) &&
				   finds(M_GET, "/Things", NULL) && finds(M_GET, "/x/1/y", NULL) &&
				   finds(M_GET, "/files/", NULL));
	CHECK("another pool's", finds(M_GET, "/others", NULL) &&
				    route_match("b", M_GET, S("/others")).route &&
				    !route_match("c", M_GET, S("/others")).route);
	m = route_match("a", M_GET, S("/x/\xc3\xa4/y/" ID "/last"));
	CHECK("the variable parts", m.route && m.n_parts == 3 &&
					str_eq(m.parts[0], S("\xc3\xa4")) &&
					str_eq(m.parts[1], S(ID)) && str_eq(m.parts[2], S("last")));
}

static void
other_names(void)
{
	struct arena *a = arena_new();
	struct match m;

	CHECK("a route under an alias, alone and with more parts",
	    finds(M_GET, "/v1/agent", "/agent") && finds(M_GET, "/v1/agent/", "/agent") &&
		finds(M_POST, "/v1/agent/tasks/" ID, "/agent/tasks/{id:uuid}"));
	CHECK("an alias is of whole parts",
	    finds(M_GET, "/v1/agents", NULL) && finds(M_GET, "/v1", NULL));
	CHECK("what has no route has none under an alias", finds(M_GET, "/nothing/yet", NULL));
	m = route_match("a", M_GET, S("/sign/x/up/y"));
	CHECK("an alias with a variable part gives all of them",
	    m.route && m.n_parts == 2 && str_eq(m.parts[0], S("x")) && str_eq(m.parts[1], S("y")));
	CHECK("its static parts count like others",
	    finds(M_GET, "/v1/agent/tasks/list", "/v1/{any:text}/tasks/list") &&
		methods("/v1/agent/tasks/" ID) == 1U << M_POST);
	CHECK("its pool is the route's", finds(M_GET, "/their/others", NULL) &&
					     route_match("b", M_GET, S("/their/others")).route);
	CHECK("all names of a route", str_eq(route_path(a, &routes[13], 0), S("/agent")) &&
					  str_eq(route_path(a, &routes[13], 1), S("/v1/agent")) &&
					  !route_path(a, &routes[13], 2).p &&
					  !route_path(a, &routes[13], 5).p &&
					  !route_path(a, &routes[15], 1).p);
	arena_free(a);
}

static void
other_methods(void)
{
	CHECK("a known path with another method",
	    finds(M_PUT, "/things", NULL) && methods("/things") == (1U << M_GET | 1U << M_POST));
	CHECK("its methods are those of the best fit",
	    methods("/files/latest") == 1U << M_GET &&
		methods("/files/x") == (1U << M_GET | 1U << M_PUT));
	CHECK("an unknown path has none", methods("/nothing") == 0 && methods("/things/1") == 0);
}

static void
long_paths(void)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	for (int i = 0; i < 100000; i++)
		buf_put(&b, S("/x"));
	CHECK("a path of a hundred thousand parts", !route_match("a", M_GET, buf_str(&b)).route);
	b = (struct buf){ .a = a };
	buf_put(&b, S("/files/"));
	for (int i = 0; i < 201; i++)
		buf_put(&b, S("x"));
	CHECK("a part has at most 200 bytes", !route_match("a", M_GET, buf_str(&b)).route);
	arena_free(a);
}

struct small {
	int64_t n;
};
struct large {
	int64_t n, m;
};

enum err handle_another(struct req *r);

enum err
handle_another(struct req *r)
{
	return handle(r);
}

static const struct field small_fields[] = { F_INT(struct small, n, 0, 1, OPTIONAL) };
static FIELD_TABLE(of_handle, struct small, small_fields, handle);
static FIELD_TABLE(of_any, struct small, small_fields, NULL);
static FIELD_TABLE(of_another, struct small, small_fields, handle_another);
static FIELD_TABLE(misfit, struct large, small_fields, NULL);

static void
check_table(void *arg)
{
	struct route *changed = arg;

	routes[n_routes - 1] = *changed;
	routes_check();
}

static bool
stops(struct route last, const char *why)
{
	char said[1024];
	int status = test_in_child(check_table, &last, said, sizeof(said));

	if (why ? status > 0 && strstr(said, why) : status == 0)
		return true;
	printf("# status %d: %s\n", status, said);
	return false;
}

static void
checking(void)
{
	struct route r = ROUTE(M_GET, "b", "/others");

	CHECK("a whole table starts", stops(r, NULL));
	r.path = "/things";
	CHECK("a route that is there twice", stops(r, "twice"));
	r.path = "/things/{other:uuid}";
	CHECK("under another variable's name", stops(r, "twice"));
	r.path = "/things/{other:text}";
	CHECK("or type", stops(r, "twice"));
	r.method = M_PATCH;
	CHECK("another method is another route", stops(r, NULL));
	r.path = "/things/{other:number}";
	CHECK("a type of a variable that there is not", stops(r, "no known type"));
	r = (struct route)ROUTE(M_GET, "b", "/v1/agent");
	CHECK("a path that an alias has", stops(r, "twice"));
	r = (struct route)ROUTE(M_GET, "b", "/others");
	r.body = &of_handle;
	CHECK("a field table of the handler", stops(r, NULL));
	r.body = &of_any;
	CHECK("or of any", stops(r, NULL));
	r.body = &of_another;
	CHECK("a field table of another handler", stops(r, "another handler's"));
	r.body = NULL;
	r.query = &misfit;
	CHECK("a row of another struct than its table", stops(r, "another struct"));
	r = (struct route)ROUTE(M_PATCH, "b", "/things/{other:text}");
	r.caller = 0;
	CHECK("a forgotten caller", stops(r, "lacks a column"));
	r = (struct route)ROUTE(M_GET, "b", "/others");
	r.rate = 0;
	CHECK("a forgotten rate", stops(r, "lacks a column"));
	r = (struct route)ROUTE(M_GET, "b", "/others");
	r.handler = NULL;
	CHECK("a forgotten handler", stops(r, "lacks a column"));
	r = (struct route)ROUTE(M_GET, NULL, "/others");
	CHECK("a forgotten pool", stops(r, "lacks a column"));
	r.pool = "c";
	CHECK("a pool that is not in the list", stops(r, "not in the list"));
}

int
main(void)
{
	finding();
	other_names();
	other_methods();
	long_paths();
	checking();
	CHECK("pools", pool_exists("a") && pool_exists("b") && !pool_exists("c"));
	return test_end();
}
