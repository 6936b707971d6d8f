/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/nameservers.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <string.h>

/* An answer that does not come is asked for again soon: the broker client has a deadline. */
#define RESOLVER_OPTIONS "options timeout:2 attempts:2\n"

static void add(struct nameservers *servers, const char *address)
{
	for (size_t i = 0; i < servers->count; i++)
		if (strcmp(servers->list[i], address) == 0)
			return;
	if (servers->count < NAMESERVERS_MAX)
		snprintf(servers->list[servers->count++], NAMESERVER_SIZE, "%s", address);
}

/*
 * ADDRESS[%LINK][#NAME] as systemd-networkd writes it. The link is the one whose state this is, so
 * what follows the address is not needed. ADDRESS:PORT is no address.
 */
static void add_word(struct nameservers *servers, const char *word, size_t size, unsigned int index)
{
	char text[NAMESERVER_SIZE] = "", address[NAMESERVER_SIZE] = "";
	struct in6_addr six;
	struct in_addr four;

	if (size >= sizeof(text) || memchr(word, '\0', size))
		return;
	memcpy(text, word, size);
	text[strcspn(text, "%#")] = '\0';
	if (inet_pton(AF_INET, text, &four) == 1) {
		inet_ntop(AF_INET, &four, address, sizeof(address));
	} else if (inet_pton(AF_INET6, text, &six) == 1) {
		inet_ntop(AF_INET6, &six, address, INET6_ADDRSTRLEN);
		if (IN6_IS_ADDR_LINKLOCAL(&six))
			snprintf(address + strlen(address), sizeof(address) - strlen(address),
				 "%%%u", index);
	} else {
		return;
	}
	add(servers, address);
}

/* The next of @text that is not one of @separators, up to the one behind it; false at the end. */
static bool next_part(const char **text, size_t *left, const char *separators, const char **ret,
		      size_t *ret_size)
{
	size_t size = 0;

	while (*left > 0 && **text != '\0' && strchr(separators, **text)) {
		(*text)++;
		(*left)--;
	}
	while (size < *left && ((*text)[size] == '\0' || !strchr(separators, (*text)[size])))
		size++;
	*ret = *text;
	*ret_size = size;
	*text += size;
	*left -= size;
	return size > 0;
}

void nameservers_add_link(struct nameservers *servers, const char *text, size_t size,
			  unsigned int index)
{
	static const char key[] = "DNS=";
	const size_t key_size = sizeof(key) - 1;
	const char *line, *word;
	size_t line_size, word_size;

	while (next_part(&text, &size, "\n", &line, &line_size)) {
		if (line_size < key_size || memcmp(line, key, key_size) != 0)
			continue;
		line += key_size;
		line_size -= key_size;
		while (next_part(&line, &line_size, " ", &word, &word_size))
			add_word(servers, word, word_size, index);
	}
}

int nameservers_format(const struct nameservers *servers, char **ret, size_t *ret_size)
{
	char text[sizeof(RESOLVER_OPTIONS) +
		  NAMESERVERS_MAX * (sizeof("nameserver \n") + NAMESERVER_SIZE)];
	size_t used = 0;

	for (size_t i = 0; i < servers->count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "nameserver %s\n",
					 servers->list[i]);
	if (servers->count > 0)
		used += (size_t)snprintf(text + used, sizeof(text) - used, RESOLVER_OPTIONS);
	text[used] = '\0';
	*ret = strdup(text);
	if (!*ret)
		return fail(-ENOMEM, "out of memory");
	*ret_size = used;
	return 0;
}
