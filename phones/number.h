/*
 * Google's libphonenumber behind a face of C. One thread.
 */
#ifndef PHONES_NUMBER_H
#define PHONES_NUMBER_H

#ifdef __cplusplus
extern "C" {
#endif

struct number {
	char e164[20]; /* "+351912345678" (ITU-T E.164: at most 15 digits) */
	/*
	 * "351:12345678": country and the last eight digits, which stay where a country puts
	 * digits before its numbers, as Mexico, Argentina and Brazil did; Debian's metadata are of
	 * 2022.
	 */
	char key[16];
};

/* Loads the metadata. Before the first number_read; ends the process where that fails. */
void number_init(void);

/*
 * Reads a number as people write it, NUL-terminated UTF-8. `region`: where those without a country
 * are dialled (ISO 3166-1, "PT"), or "". Not 0 where it may be one by its length; whether it is
 * given out to anybody is not asked.
 */
int number_read(const char *text, const char *region, struct number *out);

#ifdef __cplusplus
}
#endif

#endif
