#include "phones/number.h"

#include <cstdio>
#include <string>

#include <phonenumbers/phonenumberutil.h>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

static const PhoneNumberUtil *util;

void
number_init(void)
{
	PhoneNumber n;

	util = PhoneNumberUtil::GetInstance();
	/* What is made at the first use is made now. */
	(void)util->Parse("+351 912 345 678", "PT", &n);
	(void)util->IsPossibleNumber(n);
}

int
number_read(const char *text, const char *region, struct number *out)
{
	std::string nsn, e164, dialled = text;
	size_t at = dialled.find_first_not_of(" (");
	PhoneNumber n;

	/* Without a region no other prefix than ITU-T E.164's own may be meant. */
	if (!*region && at != std::string::npos && dialled.compare(at, 2, "00") == 0)
		dialled.replace(at, 2, "+");
	if (util->Parse(dialled, *region ? region : "ZZ", &n) != PhoneNumberUtil::NO_PARSING_ERROR ||
	    !util->IsPossibleNumber(n))
		return 0;
	util->GetNationalSignificantNumber(n, &nsn);
	util->Format(n, PhoneNumberUtil::E164, &e164);
	if (e164.size() >= sizeof(out->e164))
		return 0;
	(void)snprintf(out->e164, sizeof(out->e164), "%s", e164.c_str());
	(void)snprintf(out->key, sizeof(out->key), "%d:%.8s", n.country_code(),
	    nsn.c_str() + (nsn.size() > 8 ? nsn.size() - 8 : 0));
	return 1;
}
