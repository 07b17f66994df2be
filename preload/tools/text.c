// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "text.h"

/* The length of the UTF-8 sequence that text begins with, 0: it is none */
static size_t utf8_length(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t n = *c < 0x80   ? 1
		   : *c < 0xc2 ? 0
		   : *c < 0xe0 ? 2
		   : *c < 0xf0 ? 3
		   : *c < 0xf5 ? 4
			       : 0;
	size_t i;

	for (i = 1; i < n; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	}
	/* too long, surrogates, beyond the last */
	if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) ||
	    (*c == 0xf0 && c[1] < 0x90) || (*c == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

void smcp_print_plain(const char *text)
{
	size_t n;

	for (; *text; text += n) {
		n = utf8_length(text);
		if (!n || (unsigned char)*text < 32 || *text == 127 ||
		    (n == 2 && !strncmp(text, "\xc2", 1) &&
		     (unsigned char)text[1] < 0xa0)) {
			putchar('?');
			n = n ? n : 1;
		} else {
			fwrite(text, 1, n, stdout);
		}
	}
}

void smcp_print_json(const char *text)
{
	size_t n;

	putchar('"');
	for (; *text; text += n) {
		n = utf8_length(text);
		if (!n) {
			n = 1;
			fputs("\\ufffd", stdout);
		} else if (*text == '"' || *text == '\\') {
			printf("\\%c", *text);
		} else if ((unsigned char)*text < 32) {
			printf("\\u%04x", (unsigned int)*text);
		} else {
			fwrite(text, 1, n, stdout);
		}
	}
	putchar('"');
}
