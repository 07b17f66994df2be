/* SPDX-License-Identifier: MIT */
#ifndef SMCP_TEXT_H
#define SMCP_TEXT_H

/*
 * smcp_print_plain() - print what others gave a name, to stdout
 *
 * It is not to play with the terminal: a ? stands for what is not a character.
 */
void smcp_print_plain(const char *text);

/* smcp_print_json() - print a JSON string, with its quotes, to stdout */
void smcp_print_json(const char *text);

#endif
