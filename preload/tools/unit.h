/* SPDX-License-Identifier: MIT */
#ifndef SMCP_UNIT_H
#define SMCP_UNIT_H

#include <stdbool.h>
#include <stddef.h>

/* That of the kernel for file names, without ".d", and NUL */
#define SMCP_UNIT_NAME 254

/* More words than that in a property are an error. */
#define SMCP_UNIT_WORDS 1024

#define SMCP_UNIT_TEXT (256 * 1024)

/* What systemd knows of a unit. */
struct smcp_unit {
	bool is_user; /* one of the user's own manager */
	bool is_template; /* NAME@.service, and all below is of some instance */
	char name[SMCP_UNIT_NAME]; /* with suffix, its own and not an alias */
	size_t size; /* of the text, which is lines PROPERTY=VALUE with NULs */
	char text[SMCP_UNIT_TEXT];
};

/*
 * smcp_unit_name() - the full name of a unit
 * @word: as it was typed: NAME or NAME.SUFFIX
 * @ret_unit: .name and .is_template are set
 *
 * Return: 0; -EINVAL if no unit can have this name.
 */
int smcp_unit_name(const char *word, struct smcp_unit *ret_unit);

/*
 * smcp_unit_load() - ask systemd for the properties of a unit
 * @unit: .name, .is_template and .is_user are set; .name becomes its own
 *
 * systemctl prints what is wrong.
 *
 * Return: 0, also if there is no such unit; -ENOENT: there is no systemctl;
 * -EIO: it failed; or another error.
 */
int smcp_unit_load(struct smcp_unit *unit);

/* smcp_unit_reload() - have systemd read the files of all units; as above */
int smcp_unit_reload(const struct smcp_unit *unit);

/*
 * smcp_unit_next() - the value of a property
 * @after: NULL, or the last value of a property that has several
 *
 * Return: the value, or NULL; "" of a property that is not set.
 */
const char *smcp_unit_next(const struct smcp_unit *unit, const char *property,
			   const char *after);

/* smcp_unit_get() - the same of a property with one value; never NULL */
const char *smcp_unit_get(const struct smcp_unit *unit, const char *property);

/*
 * smcp_unit_has_socket() - does process 1 open sockets of the unit?
 *
 * TriggeredBy= names those that systemd has loaded, which the one of the same name
 * need not be, though it is enabled.
 */
bool smcp_unit_has_socket(struct smcp_unit *unit);

/* smcp_unit_has_word() - is @word one of the plain words of a property? */
bool smcp_unit_has_word(const struct smcp_unit *unit, const char *property,
			const char *word);

/*
 * smcp_unit_words() - take apart the value of a list with quotes
 * @value: the value as systemctl prints it
 * @ret_words: the words, on the heap, then NULL
 *
 * Return: 0; -E2BIG; -ENOMEM.
 */
int smcp_unit_words(const char *value, char *ret_words[SMCP_UNIT_WORDS]);

/*
 * smcp_unit_program() - the program of an ExecStart=
 * @value: one value of the property
 * @ret_path: the path of the program, on the heap
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int smcp_unit_program(const char *value, char **ret_path);

#endif
