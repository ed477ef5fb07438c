/*
 * Charts (DrawingML charts, ECMA-376 part 1, 21.2, and those of Office 2016, [MS-ODRAWXML] 2.24.3)
 * and diagrams (SmartArt, 21.4), which are parts of their own in Office documents. Holds no state.
 */
#ifndef MILLRACE_EXTRACT_FIGURE_H
#define MILLRACE_EXTRACT_FIGURE_H

#include "extract/buffer.h"
#include "extract/package/package.h"

/*
 * Appends the text of a chart or a diagram: a line for each title, row and point. False: it is
 * damaged, and its text may not be whole.
 */
bool figure_read(struct package *p, const char *part, struct buffer *to);

#endif
