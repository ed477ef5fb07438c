/* What a part of a package refers to, and the part that it begins with. */
#include <stdlib.h>
#include <string.h>

#include "extract/package/package.h"

#define RELATIONS_MAX 100000 /* of one part */

/*
 * A target seen from its part's folder: "../media/a.png" in "ppt/slides/slide1.xml" is
 * "ppt/media/a.png", "/xl/a.xml" begins at the root.
 */
static char *
resolve(const char *part, const char *target)
{
	const char *slash = strrchr(part, '/');
	size_t n = *target != '/' && slash != NULL ? (size_t)(slash - part) : 0, len;
	char *to = grow(NULL, n + strlen(target) + 2);

	memcpy(to, part, n);
	for (; *target != '\0'; target += len) {
		target += strspn(target, "/");
		len = strcspn(target, "/");
		if (len == 0 || (len == 1 && target[0] == '.'))
			continue;
		if (len == 2 && memcmp(target, "..", 2) == 0) {
			while (n > 0 && to[--n] != '/')
				;
			continue;
		}
		if (n > 0)
			to[n++] = '/';
		memcpy(to + n, target, len);
		n += len;
	}
	to[n] = '\0';
	return to;
}

struct relations_read {
	struct package *package;
	const char *part;
	struct relations found;
	size_t room;
};

static void
on_relation(void *arg, const struct xml_element *e)
{
	struct relations_read *r = arg;
	struct relation *to;
	char *type, *target;

	if (e->ns != NS_RELATIONS || strcmp(e->name, "Relationship") != 0)
		return;
	if (r->found.n == RELATIONS_MAX)
		fail("The %s file has more than %d references in a part, which is refused.",
		    r->package->name, RELATIONS_MAX);
	if (r->found.n == r->room) {
		r->room = r->room * 2 + 32;
		r->found.p = grow(r->found.p, r->room * sizeof(*r->found.p));
	}
	to = &r->found.p[r->found.n++];
	type = bytes_string(xml_attr(e, NS_NONE, "Type"));
	target = bytes_string(xml_attr(e, NS_NONE, "Target"));
	to->id = bytes_string(xml_attr(e, NS_NONE, "Id"));
	to->type = strrchr(type, '/') != NULL ? strrchr(type, '/') + 1 : type;
	to->external = xml_attr_is(e, NS_NONE, "TargetMode", "External");
	to->target = to->external ? target : resolve(r->part, target);
}

static int
compare_relations(const void *a, const void *b)
{
	const struct relation *x = a, *y = b;

	return strcmp(x->id, y->id);
}

struct relations
package_relations(struct package *p, const char *part)
{
	static const struct xml_events events = { .start = on_relation };
	struct relations_read r = { .package = p, .part = part + (*part == '/') };
	const char *slash = strrchr(r.part, '/'), *file = slash != NULL ? slash + 1 : r.part;
	char *rels = grow(NULL, strlen(r.part) + sizeof("_rels/.rels"));

	memcpy(rels, r.part, (size_t)(file - r.part));
	memcpy(rels + (file - r.part), "_rels/", 6);
	memcpy(rels + (file - r.part) + 6, file, strlen(file));
	memcpy(rels + strlen(r.part) + 6, ".rels", 6);
	if (package_has(p, rels))
		package_xml(p, rels, &events, &r);
	if (r.found.n > 0)
		qsort(r.found.p, r.found.n, sizeof(*r.found.p), compare_relations);
	return r.found;
}

const struct relation *
relation_by_id(const struct relations *r, struct bytes id)
{
	char *s = bytes_string(id);
	struct relation key = { .id = s };
	const struct relation *found = NULL;

	if (r->n > 0)
		found = bsearch(&key, r->p, r->n, sizeof(key), compare_relations);
	free(s);
	return found;
}

const struct relation *
relation_by_type(const struct relations *r, const char *type)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (strcmp(r->p[i].type, type) == 0)
			return &r->p[i];
	return NULL;
}

const char *
package_main(struct package *p)
{
	static const char *const usual[] = { "word/document.xml", "xl/workbook.xml",
		"ppt/presentation.xml" };
	struct relations r = package_relations(p, "");
	const struct relation *named = relation_by_type(&r, "officeDocument");
	size_t i;

	if (named != NULL && !named->external && package_has(p, named->target))
		return named->target;
	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (package_has(p, usual[i]))
			return usual[i];
	return NULL;
}
