/* From a method and a path to a row of the route table, and the checks of the tables at boot. */
#include <millrace/log.h>
#include <millrace/scope.h>

#include "fcgi/path_type.h"
#include "fcgi/route.h"

const char *
method_name(enum method m)
{
	static const char *const names[] = {
		[M_GET] = "GET",
		[M_POST] = "POST",
		[M_PUT] = "PUT",
		[M_PATCH] = "PATCH",
		[M_DELETE] = "DELETE",
	};

	return names[m];
}

/* The next part of a path that begins with '/'. */
static struct str
next_part(struct str *path)
{
	struct str part;

	*path = str_cut((struct str){ path->p + 1, path->n - 1 }, '/', &part);
	if (path->p) {
		path->p--;
		path->n++;
	}
	return part;
}

static bool
part_fits(struct str pattern, struct str part)
{
	const struct path_type *type;

	if (pattern.n == 0 || pattern.p[0] != '{')
		return str_eq(pattern, part);
	type = path_type_of(pattern);
	return type && type->check(part);
}

/* Are the two alike up to the pattern's first variable part? Of a pool's routes few are. */
static bool
begins_alike(const char *pattern, bool is_prefix, struct str path)
{
	size_t i = 0;

	while (i < path.n && pattern[i] == path.p[i] && pattern[i] != '{')
		i++;
	return pattern[i] == '{' || (pattern[i] == '\0' && (is_prefix || i == path.n));
}

/* What follows an alias's `of` in a route's path: "" or "/…"; NULL where it begins otherwise. */
static const char *
behind_alias(const struct alias *alias, const char *path)
{
	size_t n = strlen(alias->of);

	if (strncmp(path, alias->of, n) != 0 || (path[n] != '\0' && path[n] != '/'))
		return NULL;
	return path + n;
}

/*
 * Does the path fit the pattern, which is given in two pieces? *score says how well: an earlier
 * static part outweighs all later ones.
 */
static bool
path_fits(struct str head, struct str rest, struct str path, unsigned *score, struct match *m)
{
	*score = 0;
	m->n_parts = 0;
	while ((head.n > 0 || rest.n > 0) && path.n > 0) {
		struct str want = next_part(head.n > 0 ? &head : &rest), have = next_part(&path);
		bool is_variable = want.n > 0 && want.p[0] == '{';

		if (!part_fits(want, have))
			return false;
		*score = *score << 1 | !is_variable;
		if (is_variable && m->n_parts < PATH_PARTS_MAX)
			m->parts[m->n_parts++] = have;
	}
	return head.n == 0 && rest.n == 0 && path.n == 0;
}

/* The best fit so far. */
struct search {
	int method;
	struct str path;
	struct match best;
	unsigned score;
};

static void
search_route(struct search *s, const struct route *r, const char *head, const char *rest)
{
	struct match m = { 0 };
	unsigned score, methods;

	if (!path_fits(str_from(head), str_from(rest), s->path, &score, &m) ||
	    (s->best.methods != 0 && score < s->score))
		return;
	if (s->best.methods == 0 || score > s->score) {
		s->best = m;
		s->score = score;
	}
	methods = s->best.methods | 1U << r->method;
	if ((int)r->method == s->method) {
		s->best = m;
		s->best.route = r;
	}
	s->best.methods = methods;
}

/*
 * The routes of a pool. A worker has one, and passing over those of others was a sixth of its work.
 */
struct served {
	const char *pool;
	const struct route **routes;
	size_t n;
};

static const struct served *
routes_of(const char *pool)
{
	static struct served kept;

	if (kept.pool && strcmp(kept.pool, pool) == 0)
		return &kept;
	kept.pool = pool;
	kept.routes = xrealloc(kept.routes, n_routes * sizeof(*kept.routes));
	kept.n = 0;
	for (size_t i = 0; i < n_routes; i++)
		if (strcmp(routes[i].pool, pool) == 0)
			kept.routes[kept.n++] = &routes[i];
	return &kept;
}

struct match
route_match(const char *pool, int method, struct str path)
{
	const struct served *served = routes_of(pool);
	struct search s = { .method = method, .path = path };

	if (path.n > 1 && path.p[path.n - 1] == '/')
		s.path.n--;
	if (path.n == 0 || path.p[0] != '/')
		return s.best;
	for (size_t i = 0; i < served->n; i++)
		if (begins_alike(served->routes[i]->path, false, s.path))
			search_route(&s, served->routes[i], "", served->routes[i]->path);
	for (size_t k = 0; k < n_aliases; k++) {
		if (!begins_alike(aliases[k].prefix, true, s.path))
			continue;
		for (size_t i = 0; i < served->n; i++) {
			const char *rest = behind_alias(&aliases[k], served->routes[i]->path);

			if (rest)
				search_route(&s, served->routes[i], aliases[k].prefix, rest);
		}
	}
	return s.best;
}

struct str
route_path(struct arena *a, const struct route *r, size_t n)
{
	const char *rest;

	if (n == 0)
		return str_from(r->path);
	if (n > n_aliases || !(rest = behind_alias(&aliases[n - 1], r->path)))
		return (struct str){ NULL, 0 };
	return arena_printf(a, "%s%s", aliases[n - 1].prefix, rest);
}

bool
route_is_event_source(const struct route *r)
{
	return r->mode == STREAM && r->method == M_GET;
}

bool
pool_exists(const char *name)
{
	for (size_t i = 0; i < n_pools; i++)
		if (strcmp(pools[i].name, name) == 0)
			return true;
	return false;
}

void
pools_print(FILE *out)
{
	for (size_t i = 0; i < n_pools; i++)
		fprintf(out, "%s %s\n", pools[i].name, pools[i].serves);
}

/* METHOD and the path with its variables' names left out: equal ones would shadow each other. */
static struct str
bare_name(struct arena *a, const struct route *r, struct str path)
{
	struct buf b = { .a = a };

	buf_printf(&b, "%s ", method_name(r->method));
	while (path.n > 0) {
		struct str part = next_part(&path);

		if (part.n == 0 || part.p[0] != '{') {
			buf_printf(&b, "/%.*s", S_ARG(part));
			continue;
		}
		if (!path_type_of(part))
			die("%s %s: %.*s is of no known type.", method_name(r->method), r->path,
			    S_ARG(part));
		buf_put(&b, S("/{"));
	}
	return buf_str(&b);
}

/* Ends the process where two routes have one path, by whichever of their names. */
static void
check_paths(void)
{
	struct arena *a = arena_new();
	struct str *names = arena_alloc(a, n_routes * (n_aliases + 1) * sizeof(*names));
	size_t n_names = 0;

	for (size_t i = 0; i < n_routes; i++)
		for (size_t k = 0; k <= n_aliases; k++) {
			struct str path = route_path(a, &routes[i], k), name;

			if (!path.p)
				continue;
			name = bare_name(a, &routes[i], path);
			for (size_t j = 0; j < n_names; j++)
				if (str_eq(names[j], name))
					die("%s %.*s stands in the route table twice.",
					    method_name(routes[i].method), S_ARG(path));
			names[n_names++] = name;
		}
	arena_free(a);
}

/* Ends the process where a table would be bound to another struct, or by another handler. */
static void
check_table(const struct route *r, const struct field_table *t)
{
	if (!t)
		return;
	if (!fields_fit(t->p, t->n, t->len))
		die("%s %s: a field is of another struct than its table.", method_name(r->method),
		    r->path);
	if (t->handler && t->handler != r->handler)
		die("%s %s: the field table is another handler's.", method_name(r->method),
		    r->path);
}

void
routes_check(void)
{
	for (size_t i = 0; i < n_routes; i++) {
		const struct route *r = &routes[i];

		if (!r->method || !r->pool || !r->caller || !r->rate || !r->mode || !r->body_kind ||
		    !r->path || !r->handler || !r->status || !r->summary)
			die("Route %zu (%s) lacks a column.", i, r->path ? r->path : "?");
		if (!pool_exists(r->pool))
			die("%s %s is for the pool %s, which is not in the list.",
			    method_name(r->method), r->path, r->pool);
		if ((r->mode == SOCKET) != (r->nobody != NULL))
			die("%s %s: a socket alone answers an unknown caller, and must.",
			    method_name(r->method), r->path);
		if (r->scope && !scopes_are_known(r->scope))
			die("%s %s needs the scope %s, which no key can have.",
			    method_name(r->method), r->path, r->scope);
		check_table(r, r->body);
		check_table(r, r->query);
	}
	check_paths();
}

/* The path as documents spell it, without its variables' types. */
static void
print_path(FILE *out, struct str path)
{
	while (path.n > 0) {
		struct str part = next_part(&path);

		if (part.n > 0 && part.p[0] == '{')
			fprintf(out, "/{%.*s}", S_ARG(path_variable(part)));
		else
			fprintf(out, "/%.*s", S_ARG(part));
	}
}

static void
print_route(FILE *out, const struct route *r, struct str path)
{
	static const char *const modes[] = {
		[IMMEDIATE] = "I", [DEFERRED] = "D", [STREAM] = "SSE", [SOCKET] = "WS"
	};

	fprintf(out, "%s ", method_name(r->method));
	print_path(out, path);
	fprintf(out, " %s\n", modes[r->mode]);
}

static void
print_pool(FILE *out, const struct route *r, struct str path)
{
	fprintf(out, "%s ", r->pool);
	print_path(out, path);
	fputc('\n', out);
}

/* Every route, by each of its paths. */
static void
print_each(FILE *out, void (*print)(FILE *, const struct route *, struct str))
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < n_routes; i++)
		for (size_t k = 0; k <= n_aliases; k++) {
			struct str path = route_path(a, &routes[i], k);

			if (path.p)
				print(out, &routes[i], path);
		}
	arena_free(a);
}

void
routes_print(FILE *out)
{
	print_each(out, print_route);
}

void
paths_print(FILE *out)
{
	print_each(out, print_pool);
}
