/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/macro.h"
#include "measure/service.h"

#include <string.h>
#include <sys/socket.h>

/* A service that is not there, and a path that no address holds. */
static void check_connect(void)
{
	char path[200] = "/dev/null/";
	int fd;

	if (service_connect(path, &fd) != -ENOTDIR)
		abort();
	memset(path, 'x', sizeof(path) - 1);
	if (service_connect(path, &fd) != -EINVAL)
		abort();
}

/* What systemd's service for PCRs answers. It ends with a zero byte, or with the connection. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(closep) int ours = -1;
	int pair[2];
	ssize_t sent;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	ours = pair[0];
	check_connect();
	sent = send(pair[1], data, size, MSG_NOSIGNAL);
	/* No more is to come, and nothing is to be waited for. */
	(void)shutdown(pair[1], SHUT_WR);
	if (sent == (ssize_t)size && service_extend(ours, 11, "cvmroot:leave") == 0 &&
	    !memmem(data, size, "{", 1))
		abort();
	close(pair[1]);
	/* Nobody is there any more. */
	if (service_extend(ours, 11, "cvmroot:leave") == 0)
		abort();
	return 0;
}
