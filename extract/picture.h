/* Alternative texts of pictures. */
#ifndef MILLRACE_EXTRACT_PICTURE_H
#define MILLRACE_EXTRACT_PICTURE_H

#include "extract/extract.h"

/* True for a file's name ("image1.png"): programs put it where the author said nothing. */
bool picture_is_file(const char *alt, size_t n);

#endif
