/* What is drawn in a DOCX: watermarks, charts, diagrams, pictures' alternative texts. */
#include <stdlib.h>
#include <string.h>

#include "extract/docx/docx_story.h"
#include "extract/figure.h"
#include "extract/picture.h"

/* Letters drawn as a shape, as a watermark is. */
static void
start_word_art(struct story *s, const struct xml_element *e)
{
	struct bytes text = xml_attr(e, NS_NONE, "string");

	if (text.n > 0 && story_visible(s))
		story_box_text(s, (const char *)text.p, text.n);
}

/* c:chart, cx:chart and dgm:relIds name the part that holds what is drawn. */
static void
start_figure(struct story *s, const struct xml_element *e)
{
	struct docx *d = s->docx;
	bool diagram = e->ns == NS_DIAGRAM;
	const struct relation *r =
	    relation_by_id(&d->related, xml_attr(e, NS_RELATION, diagram ? "dm" : "id"));
	const char *type = diagram ? "diagramData" : e->ns == NS_CHART_MORE ? "chartEx" : "chart";
	struct buffer text = { 0 };

	if (r == NULL || r->external || strcmp(r->type, type) != 0 || !story_visible(s))
		return;
	if (!figure_read(&d->package, r->target, &text))
		out_notice(d->out, "A chart or diagram of the document is damaged.");
	if (text.len > 0)
		story_box_text(s, text.p, text.len);
	free(text.p);
}

/* wp:docPr */
static void
start_drawing(struct story *s, const struct xml_element *e)
{
	free(s->alt);
	s->alt = bytes_string(xml_attr(e, NS_NONE, "descr"));
}

/* pic:pic is what its alternative text says, unless that is the name of its file. */
static void
start_picture(struct story *s, const struct xml_element *e)
{
	size_t n = s->alt != NULL ? strlen(s->alt) : 0;

	(void)e;
	s->pictures = true;
	if (n > 0 && !picture_is_file(s->alt, n) && story_visible(s))
		story_box_text(s, s->alt, n);
	free(s->alt);
	s->alt = NULL;
}

static const struct {
	enum ns ns;
	struct rule rule;
} drawn[] = {
	{ NS_VML, { "textpath", start_word_art, NULL } },
	{ NS_VML, { "imagedata", start_picture, NULL } },
	{ NS_DRAWING_WORD, { "docPr", start_drawing, NULL } },
	{ NS_PICTURE, { "pic", start_picture, NULL } },
	{ NS_CHART, { "chart", start_figure, NULL } },
	{ NS_CHART_MORE, { "chart", start_figure, NULL } },
	{ NS_DIAGRAM, { "relIds", start_figure, NULL } },
};

const struct rule *
drawing_rule(const struct xml_element *e)
{
	size_t i;

	for (i = 0; i < sizeof(drawn) / sizeof(drawn[0]); i++)
		if (e->ns == drawn[i].ns && strcmp(e->name, drawn[i].rule.name) == 0)
			return &drawn[i].rule;
	return NULL;
}
