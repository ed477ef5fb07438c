/* From a method and a path to a row of the route table, and the table's own checks. */
#include <millrace/log.h>
#include <millrace/oauth.h>
#include <millrace/scope.h>

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
fits(struct str pattern, struct str part)
{
	struct uuid u;

	if (pattern.p[0] != '{')
		return str_eq(pattern, part);
	if (memmem(pattern.p, pattern.n, ":uuid}", 6))
		return uuid_parse(part, &u);
	if (memmem(pattern.p, pattern.n, ":provider}", 10))
		return oauth_provider(part) != NULL;
	return part.n > 0 && part.n <= 200;
}

/* Are the two alike up to the pattern's first variable part? Of a pool's routes few are. */
static bool
begins_alike(const char *pattern, struct str path)
{
	size_t i = 0;

	while (i < path.n && pattern[i] == path.p[i] && pattern[i] != '{')
		i++;
	return pattern[i] == '{' || (pattern[i] == '\0' && i == path.n);
}

/* Does the path fit the pattern? *score says how well: an earlier static part outweighs all later ones. */
static bool
path_fits(const char *pattern, struct str path, unsigned *score, struct match *m)
{
	struct str rest = str_from(pattern);

	*score = 0;
	m->n_parts = 0;
	while (rest.n > 0 && path.n > 0) {
		struct str want = next_part(&rest), have = next_part(&path);

		if (!fits(want, have))
			return false;
		*score = *score << 1 | (want.p[0] != '{');
		if (want.p[0] == '{' && m->n_parts < PATH_PARTS_MAX)
			m->parts[m->n_parts++] = have;
	}
	return rest.n == 0 && path.n == 0;
}

struct match
route_match(const char *pool, int method, struct str path)
{
	struct match best = { 0 }, m = { 0 };
	unsigned best_score = 0, score;

	if (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n == 0 || path.p[0] != '/')
		return best;
	for (size_t i = 0; i < n_routes; i++) {
		if (strcmp(routes[i].pool, pool) != 0 || !begins_alike(routes[i].path, path) ||
		    !path_fits(routes[i].path, path, &score, &m))
			continue;
		if (best.methods == 0 || score > best_score) {
			best = m;
			best_score = score;
		} else if (score < best_score) {
			continue;
		}
		best.methods |= 1U << routes[i].method;
		if ((int)routes[i].method == method) {
			unsigned methods = best.methods;

			best = m;
			best.route = &routes[i];
			best.methods = methods;
		}
	}
	return best;
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

/* The pattern with its variables' names and types left out: two routes that are equal then shadow each other. */
static struct str
bare_pattern(struct arena *a, const char *path)
{
	struct buf b = { .a = a };
	struct str rest = str_from(path);

	while (rest.n > 0) {
		struct str part = next_part(&rest);

		buf_printf(&b, "/%.*s", part.p[0] == '{' ? 1 : (int)part.n, part.p);
	}
	return buf_str(&b);
}

void
routes_check(void)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < n_routes; i++) {
		const struct route *r = &routes[i];

		if (!r->method || !r->pool || !r->caller || !r->rate || !r->mode || !r->body_kind ||
		    !r->path || !r->handler || !r->status || !r->summary)
			die("Route %zu (%s) lacks a column.", i, r->path ? r->path : "?");
		if (!pool_exists(r->pool))
			die("%s %s is for the pool %s, which is not in the list.",
			    method_name(r->method), r->path, r->pool);
		if ((r->mode == SOCKET) != (r->nobody != NULL))
			die("%s %s must say how it answers nobody.", method_name(r->method),
			    r->path);
		if (r->scope && !scopes_are_known(r->scope))
			die("%s %s asks for the scope %s, which nobody can have.",
			    method_name(r->method), r->path, r->scope);
		for (size_t k = 0; k < i; k++)
			if (routes[k].method == r->method &&
			    str_eq(bare_pattern(a, routes[k].path), bare_pattern(a, r->path)))
				die("%s %s stands in the route table twice.",
				    method_name(r->method), r->path);
	}
	arena_free(a);
}

void
routes_print(FILE *out)
{
	static const char *const modes[] = {
		[IMMEDIATE] = "I", [DEFERRED] = "D", [STREAM] = "SSE", [SOCKET] = "WS"
	};

	for (size_t i = 0; i < n_routes; i++) {
		struct str rest = str_from(routes[i].path);

		fprintf(out, "%s ", method_name(routes[i].method));
		while (rest.n > 0) {
			struct str part = next_part(&rest), name;

			(void)str_cut(part, ':', &name);
			fprintf(out, "/%.*s%s", S_ARG(name), name.n < part.n ? "}" : "");
		}
		fprintf(out, " %s\n", modes[routes[i].mode]);
	}
}
