/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_NAMESERVERS_H
#define CVMROOT_BOOT_NAMESERVERS_H

#include "base/macro.h"

/*
 * Name servers of the initrd's links, from what systemd-networkd keeps of each link in
 * /run/systemd/netif/links/INDEX, to resolv.conf(5). The addresses come from DHCP and router
 * advertisements, so from anybody. Pure.
 */

#define NAMESERVERS_MAX	 3  /* as many as the C library asks */
#define NAMESERVER_SIZE	 60 /* of an IPv6 address with the number of a link, and NUL */
#define LINK_STATE_LIMIT (64 * KIB)

struct nameservers {
	char list[NAMESERVERS_MAX][NAMESERVER_SIZE];
	size_t count;
};

/*
 * Add the name servers of link @index, whose state is @text. What resolv.conf cannot hold is passed
 * over (another port, more than three), and so is what is no address.
 */
void nameservers_add_link(struct nameservers *servers, const char *text, size_t size,
			  unsigned int index);

/* The text of resolv.conf, NUL-terminated; the caller frees it. */
int nameservers_format(const struct nameservers *servers, char **ret, size_t *ret_size);

#endif
