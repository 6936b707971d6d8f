/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/service.h"

#include "base/clock.h"
#include "base/json.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define METHOD	    "io.systemd.PCRExtend.Extend"
#define TIMEOUT_MS  5000
#define REPLY_LIMIT 4096

int service_connect(const char *path, int *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	/* A queue that is full counts as no service. */
	cleanup(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, strlen(path));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

/* Without "eventType": the versions that know it refuse all but their own. */
static int send_call(int fd, unsigned int pcr, const char *text)
{
	cleanup(freep) char *call = NULL;
	cleanup(json_decrefp) json_t *json = json_pack("{s:s, s:{s:i, s:s}}", "method", METHOD,
						       "parameters", "pcr", (int)pcr, "text", text);
	ssize_t sent, size;

	if (json)
		call = json_dumps(json, JSON_COMPACT);
	if (!call)
		return -ENOMEM;
	/* Varlink ends a message by NUL. */
	size = (ssize_t)strlen(call) + 1;
	sent = send(fd, call, (size_t)size, MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return sent == size ? 0 : -EIO;
}

static int await(int fd, int64_t deadline)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int64_t left = deadline - monotonic_ms();
	int r = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r > 0 ? 0 : -ETIMEDOUT;
}

static int read_reply(int fd, char ret[static REPLY_LIMIT], size_t *ret_size)
{
	int64_t deadline = monotonic_ms() + TIMEOUT_MS;
	size_t size = 0;

	while (size == 0 || ret[size - 1] != '\0') {
		ssize_t n;
		int r = await(fd, deadline);

		if (r < 0)
			return r;
		if (size == REPLY_LIMIT)
			return -EBADMSG;
		n = recv(fd, ret + size, REPLY_LIMIT - size, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		size += (size_t)n;
	}
	*ret_size = size - 1;
	return 0;
}

static int check_reply(const char *text, size_t size)
{
	cleanup(json_decrefp) json_t *reply = NULL;
	json_t *error = NULL, *parameters = NULL;
	const struct json_member members[] = {
		{"error", JSON_STRING, false, &error},
		{"parameters", JSON_OBJECT, false, &parameters},
	};
	int r = json_parse(text, size, REPLY_LIMIT, &reply);

	if (r == 0)
		r = json_read_object(reply, members, ARRAY_SIZE(members), true);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	return error ? -EREMOTEIO : 0;
}

int service_extend(int fd, unsigned int pcr, const char *text)
{
	char reply[REPLY_LIMIT];
	size_t size = 0;
	int r = send_call(fd, pcr, text);

	if (r == 0)
		r = read_reply(fd, reply, &size);
	return r < 0 ? r : check_reply(reply, size);
}
