// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "findings.h"
#include "text.h"

enum level { OK, WARN, FAIL };

struct finding {
	const char *topic;
	enum level level;
	enum smcp_result result;
	char text[512];
	char cure[512];
};

static struct finding *findings;
static unsigned int n_findings;

static struct finding *add(const char *topic, enum level level)
{
	struct finding *finding;

	findings = reallocarray(findings, n_findings + 1, sizeof(*findings));
	if (!findings) {
		dprintf(STDERR_FILENO, "smc_run: --check: %s\n",
			strerror(ENOMEM));
		_exit(1);
	}
	finding = &findings[n_findings++];
	memset(finding, 0, sizeof(*finding));
	finding->topic = topic;
	finding->level = level;
	return finding;
}

/* Return: the text of a new finding, from the arguments of the caller. */
#define FORMAT(to, format)                                   \
	do {                                                 \
		va_list args;                                \
                                                             \
		va_start(args, format);                      \
		vsnprintf((to), sizeof(to), (format), args); \
		va_end(args);                                \
	} while (0)

void smcp_found_ok(const char *topic, const char *format, ...)
{
	FORMAT(add(topic, OK)->text, format);
}

void smcp_found_warning(const char *topic, const char *format, ...)
{
	FORMAT(add(topic, WARN)->text, format);
}

void smcp_found_failure(const char *topic, enum smcp_result result,
			const char *format, ...)
{
	struct finding *finding = add(topic, FAIL);

	finding->result = result;
	FORMAT(finding->text, format);
}

void smcp_found_cure(const char *format, ...)
{
	FORMAT(findings[n_findings - 1].cure, format);
}

static const char *result_text(enum smcp_result result)
{
	switch (result) {
	case SMCP_RESULT_SMC:
		return "smc";
	case SMCP_RESULT_TCP:
		return "tcp";
	case SMCP_RESULT_UNREACHABLE:
		return "unreachable";
	default:
		return "broken";
	}
}

/* Topics of the failures that made it so, each once: " (eid, device)" */
static void print_causes(enum smcp_result result)
{
	const char *last = NULL;
	unsigned int i;

	for (i = 0; i < n_findings; i++) {
		const struct finding *finding = &findings[i];

		if (finding->level != FAIL || finding->result != result ||
		    (last && !strcmp(last, finding->topic)))
			continue;
		printf("%s%s", last ? ", " : " (", finding->topic);
		last = finding->topic;
	}
	puts(last ? ")" : "");
}

static void print_lines(enum smcp_result result)
{
	static const char *const levels[] = {"OK", "WARN", "FAIL"};
	unsigned int i;

	for (i = 0; i < n_findings; i++) {
		const struct finding *finding = &findings[i];

		printf("%-9s%-6s", finding->topic, levels[finding->level]);
		smcp_print_plain(finding->text);
		if (*finding->cure)
			fputs("; cure: ", stdout);
		smcp_print_plain(finding->cure);
		putchar('\n');
	}
	printf("result: %s", result_text(result));
	print_causes(result);
}

static void print_json(enum smcp_result result)
{
	static const char *const levels[] = {"ok", "warn", "fail"};
	unsigned int i;

	printf("{\"version\":1,\"result\":\"%s\",\"status\":%d,\"findings\":[",
	       result_text(result), (int)result);
	for (i = 0; i < n_findings; i++) {
		const struct finding *finding = &findings[i];

		printf("%s{\"topic\":\"%s\",\"level\":\"%s\",\"text\":",
		       i ? "," : "", finding->topic, levels[finding->level]);
		smcp_print_json(finding->text);
		fputs(",\"cure\":", stdout);
		if (*finding->cure)
			smcp_print_json(finding->cure);
		else
			fputs("null", stdout);
		putchar('}');
	}
	puts("]}");
}

int smcp_findings_print(bool is_json)
{
	enum smcp_result result = SMCP_RESULT_SMC;
	unsigned int i;

	for (i = 0; i < n_findings; i++) {
		if (findings[i].result > result)
			result = findings[i].result;
	}
	if (is_json)
		print_json(result);
	else
		print_lines(result);
	if (!fflush(stdout) && !ferror(stdout))
		return (int)result;
	dprintf(STDERR_FILENO, "smc_run: --check: standard output: %s\n",
		strerror(errno));
	return 1;
}
