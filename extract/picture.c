/* Alternative texts of pictures. */
#include "extract/picture.h"

#include <string.h>
#include <strings.h>

bool
picture_is_file(const char *alt, size_t n)
{
	static const char *const endings[] = { ".png", ".jpg", ".jpeg", ".gif", ".svg", ".bmp",
		".emf", ".wmf", ".webp", ".tif", ".tiff" };
	size_t i, len;

	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		len = strlen(endings[i]);
		if (n > len && strncasecmp(alt + n - len, endings[i], len) == 0)
			return true;
	}
	return false;
}
