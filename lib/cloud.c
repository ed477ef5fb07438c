#include <ctype.h>
#include <string.h>

#include <millrace/cloud.h>

bool
cloud_is_id(struct str id)
{
	size_t colons = 0;

	for (size_t i = 0; i < id.n; i++) {
		colons += id.p[i] == ':';
		if (!isalnum((unsigned char)id.p[i]) &&
		    (id.p[i] == '\0' || !strchr("-_!:", id.p[i])))
			return false;
	}
	return id.n > 0 && id.n <= CLOUD_ID_MAX && colons <= 1 && id.p[0] != ':' &&
	       id.p[id.n - 1] != ':';
}
