/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Azure's instance metadata service, as far as attestation needs it: HTTP at a link-local address,
 * one request for each connection. */
#include "sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ADDRESS	      "169.254.169.254"
#define REQUEST_LIMIT 16384

static void add_address(int fd, const struct sockaddr_in *address)
{
	struct ifreq request = {.ifr_name = "lo:imds"};

	memcpy(&request.ifr_addr, address, sizeof(*address));
	check(ioctl(fd, SIOCSIFADDR, &request) == 0, "cannot add " ADDRESS ": %s", strerror(errno));
	/* Its mask would be that of a class B network, and take all link-local traffic. */
	((struct sockaddr_in *)(void *)&request.ifr_netmask)->sin_family = AF_INET;
	((struct sockaddr_in *)(void *)&request.ifr_netmask)->sin_addr.s_addr = UINT32_MAX;
	check(ioctl(fd, SIOCSIFNETMASK, &request) == 0, "cannot set a mask: %s", strerror(errno));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "lo");
	check(ioctl(fd, SIOCGIFFLAGS, &request) == 0, "no loopback: %s", strerror(errno));
	request.ifr_flags |= IFF_UP;
	check(ioctl(fd, SIOCSIFFLAGS, &request) == 0, "loopback: %s", strerror(errno));
}

int imds_listen(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0, "no socket: %s", strerror(errno));
	inet_pton(AF_INET, ADDRESS, &address.sin_addr);
	add_address(fd, &address);
	address.sin_port = htons(80);
	check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 4) == 0,
	      "cannot listen on " ADDRESS ": %s", strerror(errno));
	return fd;
}

/* ---- One request ---- */

static size_t content_length(const char *head)
{
	const char *line = strcasestr(head, "\r\ncontent-length:");

	return line ? strtoul(line + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

/* The body, within @ret; NULL when the request does not come to its end. */
static const char *receive(int fd, struct bytes *ret)
{
	char buffer[4096];
	const char *end = NULL;
	ssize_t n;

	while (ret->size < REQUEST_LIMIT && (n = read(fd, buffer, sizeof(buffer))) > 0) {
		bytes_put(ret, buffer, (size_t)n);
		end = strstr((char *)ret->data, "\r\n\r\n");
		if (end && strlen(end + 4) >= content_length((char *)ret->data))
			return end + 4;
	}
	return NULL;
}

static void respond(int fd, const char *status, const struct bytes *body)
{
	struct bytes reply = {0};
	char head[256];

	snprintf(head, sizeof(head),
		 "HTTP/1.1 %s\r\nContent-Type: application/json; charset=utf-8\r\n"
		 "Connection: close\r\nContent-Length: %zu\r\n\r\n",
		 status, body ? body->size : 0);
	bytes_put_text(&reply, head);
	if (body)
		bytes_put_bytes(&reply, body);
	for (size_t done = 0; done < reply.size;) {
		ssize_t n = send(fd, reply.data + done, reply.size - done, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	bytes_free(&reply);
}

static void put_member(struct bytes *ret, const char *name, const struct bytes *text)
{
	json_t *string = json_stringn((const char *)text->data, text->size);
	char *encoded = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

	check(encoded, "%s is not a text", name);
	bytes_put_text(ret, ret->size > 0 ? ",\"" : "{\"");
	bytes_put_text(ret, name);
	bytes_put_text(ret, "\":");
	bytes_put_text(ret, encoded);
	free(encoded);
	json_decref(string);
}

static void answer_certification(const struct sim *sim, int fd)
{
	struct bytes vcek = {0}, chain = {0}, age = {0}, reply = {0};

	file_put(&vcek, sim, "snp-vcek.pem");
	file_put(&chain, sim, "snp-ask.pem");
	file_put(&chain, sim, "snp-ark.pem");
	bytes_put_text(&age, "86400");
	put_member(&reply, "vcekCert", &vcek);
	put_member(&reply, "certificateChain", &chain);
	put_member(&reply, "cacheControl", &age);
	bytes_put_text(&reply, "}");
	respond(fd, "200 OK", &reply);
	bytes_free(&vcek);
	bytes_free(&chain);
	bytes_free(&age);
	bytes_free(&reply);
}

static int quote_of(const struct sim *sim, const char *body, struct bytes *ret)
{
	json_t *request = json_loads(body, 0, NULL);
	const char *text = json_string_value(json_object_get(request, "report"));
	struct bytes report = {0};
	int result = -1;

	if (text && bytes_put_from_base64url(&report, text) == 0)
		result = tdx_quote_report(sim, report.data, report.size, ret);
	bytes_free(&report);
	json_decref(request);
	return result;
}

static void answer_quote(const struct sim *sim, int fd, const char *body)
{
	struct bytes quote = {0}, text = {0}, reply = {0};

	if (quote_of(sim, body, &quote) < 0) {
		respond(fd, "400 Bad Request", NULL);
		return;
	}
	bytes_put_base64url(&text, quote.data, quote.size);
	put_member(&reply, "quote", &text);
	bytes_put_text(&reply, "}");
	respond(fd, "200 OK", &reply);
	bytes_free(&quote);
	bytes_free(&text);
	bytes_free(&reply);
}

static bool begins(const struct bytes *request, const char *line)
{
	return strncmp((const char *)request->data, line, strlen(line)) == 0;
}

void imds_answer(const struct sim *sim, int fd)
{
	const struct timeval limit = {.tv_sec = 5};
	struct bytes request = {0};
	const char *body;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	body = receive(fd, &request);
	if (!body || !strcasestr((char *)request.data, "\r\nMetadata: true\r\n"))
		respond(fd, "400 Bad Request", NULL);
	else if (begins(&request, "GET /metadata/THIM/amd/certification HTTP/1.1\r\n"))
		answer_certification(sim, fd);
	else if (begins(&request, "POST /acc/tdquote HTTP/1.1\r\n"))
		answer_quote(sim, fd, body);
	else
		respond(fd, "404 Not Found", NULL);
	bytes_free(&request);
}
